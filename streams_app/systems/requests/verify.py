"""The proof for account requests, from the databases alone: one read-only snapshot per region.

A snapshot shows every transaction whole or not at all, so running workers raise no false alarm.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from streams_app.databases import Statements
from streams_app.databases.connecting import Connection, connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.model import RequestType, SignalKind, Status
from streams_app.systems.requests.static import link_rows
from streams_app.systems.requests.verify_checks import CHECKS
from streams_app.systems.requests.workflow import CANCEL, OUTCOMES, Workflow, WorkflowBook
from streams_app.verification import Check, Finding, Report, Violation, merged

SQL = Statements(Path(__file__).with_name("verify.sql"))
UNIQUE = next(check for check in CHECKS if check.name == "requests_are_unique")

# Ids read at once from each region: a few megabytes.
IDS_AT_ONCE = 50_000

Arguments = dict[str, Any]


async def verify(
    settings: Settings,
    book: WorkflowBook,
    *,
    grace: float,
    samples: int,
    on_check: Callable[[], None] = lambda: None,
) -> Report:
    """Check all regions side by side. `book` is scaled as the workers' is.

    `grace` (seconds) is added to every deadline; at most `samples` violations of a check are named. `on_check` is
    called after each check of each region. Raises what psycopg raises.
    """
    async with AsyncExitStack() as stack:
        snapshots = {name: await stack.enter_async_context(_snapshot(settings, name)) for name in settings.regions}
        shared = arguments(book, grace)
        parts = await asyncio.gather(
            *(
                _check_region(name, snapshot, shared | _bounds(settings, name), samples, on_check)
                for name, snapshot in snapshots.items()
            )
        )
        across = await _in_two_regions(snapshots, samples)
        figures = await _figures(snapshots, shared)
    found = [finding for part in parts for finding in part]
    return Report("requests", merged([*found, across], samples), figures)


@asynccontextmanager
async def _snapshot(settings: Settings, region: str) -> AsyncIterator[Connection]:
    """A transaction that sees `region` as it is now, and cannot write."""
    address = settings.regions[region].pooler
    async with await psycopg.AsyncConnection.connect(
        **connect_arguments(settings.database, address, "readonly")
    ) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        async with connection.transaction():
            yield connection


async def _check_region(
    region: str, snapshot: Connection, values: Arguments, samples: int, on_check: Callable[[], None]
) -> list[Finding]:
    findings = []
    for check in CHECKS:
        findings.append(await _run(region, snapshot, check, values, samples))
        on_check()
    return findings


async def _run(region: str, snapshot: Connection, check: Check, values: Arguments, samples: int) -> Finding:
    # Materialized, so that the planner does not bring all rows into the order that only offenders need.
    statement = b"WITH v AS MATERIALIZED (%s) SELECT count(*) OVER (), offender FROM v ORDER BY offender LIMIT %d"
    cursor = await snapshot.execute(statement % (SQL[check.name], samples), values)
    rows = await cursor.fetchall()
    return Finding(check, rows[0][0] if rows else 0, tuple(Violation(region, row[1]) for row in rows))


async def _in_two_regions(snapshots: dict[str, Connection], samples: int) -> Finding:
    """Requests that more than one region holds: the sorted ids of all regions, read side by side in pieces."""
    found: list[Violation] = []
    async with AsyncExitStack() as stack:
        pages = []
        for region, snapshot in snapshots.items():
            cursor = await stack.enter_async_context(snapshot.cursor(name="request_ids", binary=True))
            await cursor.execute(SQL["request_ids"])
            pages.append(_Page(region, cursor))
        while True:
            await asyncio.gather(*(page.fill() for page in pages))
            if not any(page.ids for page in pages):
                break
            # Up to here every region's ids are known, whatever comes later.
            bound = min(page.ids[-1] for page in pages if page.ids)
            taken = [(page.region, page.take(bound)) for page in pages]
            for (one, ids), (other, other_ids) in combinations(taken, 2):
                found += [Violation(f"{one} and {other}", f"request {i}") for i in sorted(ids & other_ids)]
    return Finding(UNIQUE, len(found), tuple(found[:samples]))


class _Page:
    """The next ids of one region, ascending; empty when there are no more."""

    def __init__(self, region: str, cursor: psycopg.AsyncServerCursor[tuple[Any, ...]]) -> None:
        self.region = region
        self.ids: list[UUID] = []
        self._cursor = cursor

    async def fill(self) -> None:
        if not self.ids:
            self.ids = [row[0] for row in await self._cursor.fetchmany(IDS_AT_ONCE)]

    def take(self, bound: UUID) -> set[UUID]:
        at = bisect_right(self.ids, bound)
        taken, self.ids = set(self.ids[:at]), self.ids[at:]
        return taken


async def _figures(snapshots: dict[str, Connection], values: Arguments) -> dict[str, Any]:
    """How much there is: requests, transitions, ended and open ones, by status, by type, by region."""
    by_status: Counter[str] = Counter()
    by_type: Counter[str] = Counter()
    by_region: Counter[str] = Counter()
    transitions = without_workflow = 0
    for region, snapshot in snapshots.items():
        for type_code, status_code, count, described in await _rows(snapshot, "figures", values):
            by_type[type_code] += count
            by_status[status_code] += count
            by_region[region] += count
            without_workflow += 0 if described else count
        transitions += (await _rows(snapshot, "transitions", values))[0][0]
    requests = by_region.total()
    ended = sum(by_status[status.name] for status in Status if not status.is_open)
    return {
        "requests": requests,
        "transitions": transitions,
        "terminal": ended,
        "open": requests - ended,
        "without_workflow": without_workflow,
        "by_status": dict(by_status),
        "by_type": dict(by_type),
        "by_region": {region: by_region[region] for region in snapshots},
    }


async def _rows(snapshot: Connection, name: str, values: Arguments) -> list[tuple[Any, ...]]:
    cursor = await snapshot.execute(SQL[name], values)
    return await cursor.fetchall()


def _bounds(settings: Settings, region: str) -> Arguments:
    first, last = settings.regions[region].localities
    return {"first_locality": first, "last_locality": last}


def arguments(book: WorkflowBook, grace: float) -> Arguments:
    """What verify.sql needs to know of the workflows: links, rules and outcomes, as parallel arrays."""
    redrive = min(node.deadline for _, node in book.by_link.values() if node.run is not None)
    return {
        "grace": grace,
        "patience": redrive + grace,
        "types": list(book.by_type),
        "onboarding": RequestType.ACCOUNT_ONBOARDING.value,
        "profile_update": RequestType.ACCOUNT_PROFILE_UPDATE.value,
        "permission_change": RequestType.ACCOUNT_PERMISSION_CHANGE.value,
        "close": RequestType.ACCOUNT_CLOSE.value,
        "generating_types": [w.type_id for w in book.by_type.values() if _runs(w, "generate_instructions")],
        "generating_outcomes": _successes("generate_instructions"),
        "updating_outcomes": _successes("update_account"),
        **_links(book),
        **_rules(book),
    }


def _links(book: WorkflowBook) -> Arguments:
    rows = link_rows(book)
    nodes = list(book.by_link.values())
    heard = [
        (node.link_id, kind.value)
        for workflow, node in nodes
        for kind in SignalKind
        if workflow.target(node, kind.value) and (node.waits or kind.value == CANCEL)
    ]
    return {
        "links": [row[0] for row in rows],
        "link_types": [row[1] for row in rows],
        "link_actions": [row[2] for row in rows],
        "link_states": [row[3] for row in rows],
        "link_initial": [row[4] for row in rows],
        "link_terminal": [row[5] for row in rows],
        "link_statuses": [node.status.value for _, node in nodes],
        "link_deadlines": [node.deadline for _, node in nodes],
        "link_names": [f"{workflow.code}.{node.name}" for workflow, node in nodes],
        "terminal_links": [node.link_id for _, node in nodes if node.is_terminal],
        "once_links": [link for workflow in book.by_type.values() for link in links_off_loops(workflow)],
        "heard_links": [link for link, _ in heard],
        "heard_kinds": [kind for _, kind in heard],
    }


def _rules(book: WorkflowBook) -> Arguments:
    rules = [
        (w.type_id, w.node(source).link_id, outcome, w.node(target).link_id)
        for w in book.by_type.values()
        for (source, outcome), target in w.rules.items()
    ]
    return {
        "rule_types": [rule[0] for rule in rules],
        "rule_from": [rule[1] for rule in rules],
        "rule_outcomes": [rule[2] for rule in rules],
        "rule_to": [rule[3] for rule in rules],
    }


def links_off_loops(workflow: Workflow) -> list[int]:
    """The links of the nodes that no path leads back to: a request enters each of them once at most."""
    after: dict[int, set[int]] = {node.link_id: set() for node in workflow.nodes}
    for source, target in workflow.edges():
        after[source].add(target)
    # Warshall: after the round of a node, paths over it are known.
    for middle, beyond in after.items():
        for reached in after.values():
            if middle in reached:
                reached.update(beyond)
    return [link for link, reached in after.items() if link not in reached]


def _runs(workflow: Workflow, step: str) -> bool:
    return any(node.run == step for node in workflow.nodes)


def _successes(step: str) -> Sequence[str]:
    return sorted(OUTCOMES[step] - {"invalid"})
