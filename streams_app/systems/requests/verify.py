"""The proof for account requests, from the databases alone: one read-only snapshot per region.

A snapshot shows every transaction whole or not at all, so running workers raise no false alarm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from streams_app.databases import Regions, Statements
from streams_app.databases.snapshots import snapshot_of
from streams_app.settings import Settings
from streams_app.systems.requests.model import RequestType, SignalKind, Status
from streams_app.systems.requests.static import link_rows
from streams_app.systems.requests.verify_across import Arguments, Snapshot, check_across
from streams_app.systems.requests.verify_checks import ACROSS, CHECKS
from streams_app.systems.requests.workflow import CANCEL, OUTCOMES, Workflow, WorkflowBook
from streams_app.verification import Check, Finding, Report, Violation, merged

SQL = Statements(Path(__file__).with_name("verify.sql"))


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
    shared = arguments(book, grace)
    async with AsyncExitStack() as stack:
        snapshots = [
            Snapshot(name, await stack.enter_async_context(snapshot_of(settings, name)), shared | held)
            for name, held in _localities(settings).items()
        ]
        for snapshot in snapshots:
            await _hold_all_regions(snapshot, snapshots)
        parts = await asyncio.gather(*(_check_region(snapshot, samples, on_check) for snapshot in snapshots))
        across = await check_across(snapshots, samples)
        for _ in [*ACROSS] * len(snapshots):
            on_check()
        figures = await _figures(snapshots)
    found = [finding for part in parts for finding in part]
    return Report("requests", merged([*found, *across], samples), figures)


async def _hold_all_regions(snapshot: Snapshot, snapshots: Sequence[Snapshot]) -> None:
    """Where all regions are one database another region's rows are no strays: then the first region looks for all."""
    [(is_shared,)] = await _rows(snapshot, "is_shared")
    if is_shared:
        everything = [locality for one in snapshots for locality in one.arguments["localities"]]
        snapshot.arguments["held"] = everything if snapshot is snapshots[0] else None


async def _check_region(snapshot: Snapshot, samples: int, on_check: Callable[[], None]) -> list[Finding]:
    findings = []
    for check in CHECKS:
        if check not in ACROSS:
            findings.append(await _run(snapshot, check, samples))
            on_check()
    return findings


async def _run(snapshot: Snapshot, check: Check, samples: int) -> Finding:
    # Materialized, so that the planner does not bring all rows into the order that only offenders need.
    statement = b"WITH v AS MATERIALIZED (%s) SELECT count(*) OVER (), offender FROM v ORDER BY offender LIMIT %d"
    cursor = await snapshot.connection.execute(statement % (SQL[check.name], samples), snapshot.arguments)
    rows = await cursor.fetchall()
    return Finding(check, rows[0][0] if rows else 0, tuple(Violation(snapshot.region, row[1]) for row in rows))


async def _figures(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """How much there is: requests, transitions, ended and open ones, by status, by type, by region."""
    by_status: Counter[str] = Counter()
    by_type: Counter[str] = Counter()
    by_region: Counter[str] = Counter()
    transitions = without_workflow = 0
    for snapshot in snapshots:
        for type_code, status_code, count, described in await _rows(snapshot, "figures"):
            by_type[type_code] += count
            by_status[status_code] += count
            by_region[snapshot.region] += count
            without_workflow += 0 if described else count
        transitions += (await _rows(snapshot, "transitions"))[0][0]
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
        "by_region": {snapshot.region: by_region[snapshot.region] for snapshot in snapshots},
    }


async def _rows(snapshot: Snapshot, name: str) -> list[tuple[Any, ...]]:
    cursor = await snapshot.connection.execute(SQL[name], snapshot.arguments)
    return await cursor.fetchall()


def _localities(settings: Settings) -> dict[str, Arguments]:
    """For each region the localities whose rows are its own, and those that may lie in its database."""
    regions = Regions({name: region.localities for name, region in settings.regions.items()})
    own = {name: regions.localities(name) for name in regions.names}
    return {name: {"localities": localities, "held": localities} for name, localities in own.items()}


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
