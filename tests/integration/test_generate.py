"""Requests from the generator, worked off by the orchestrator and answered by the outside world, on real databases."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.requests.commands import COMMANDS
from streams_app.systems.requests.generate.generation import Generation, Order, Totals
from streams_app.systems.requests.generate.generator import VALID, Blueprint, Generator, Plan
from streams_app.systems.requests.generate.producer import write_sample
from streams_app.systems.requests.generate.sample import sample
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.store import RequestKey, Store
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.workflow import WorkflowBook

pytestmark = pytest.mark.stack

TABLES = (
    "account_info",
    "request_info",
    "request_account_link",
    "trade_info",
    "request_event_log",
    "request_status_head",
    "request_signal",
)
TOTAL = 600


def order(databases: Databases, seed: str, **changes: object) -> Order:
    """All regions, as fast as possible, nothing answered."""
    plain = Order(Blueprint(seed), databases.regions.names, 0, TOTAL, 100, write=True, answer=False)
    return replace(plain, **changes)  # type: ignore[arg-type]


async def run(databases: Databases, book: WorkflowBook, wanted: Order) -> Totals:
    return await Generation(databases, book, wanted, lambda totals: None).run(asyncio.Event())


async def counts(databases: Databases) -> dict[str, dict[str, int]]:
    """Rows by region and table."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            for table in TABLES:
                row = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
                assert row is not None
                found[region][table] = row[0]
    return found


async def column(databases: Databases, statement: str) -> list[tuple]:  # type: ignore[type-arg]
    """Rows of a statement from all regions."""
    rows = []
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            rows += await (await connection.execute(statement.encode())).fetchall()
    return rows


async def is_clean(settings: Settings, book: WorkflowBook) -> bool:
    report = await verify(settings, book, grace=60, samples=3)
    assert report.clean, [finding for finding in report.findings if finding.violations]
    return True


@asynccontextmanager
async def worker(databases: Databases, book: WorkflowBook) -> AsyncIterator[None]:
    """Drives every incomplete request, as the agents do, until the end of the block."""

    async def drive() -> None:
        orchestrator = Orchestrator(Store(databases), databases.regions, book)
        while True:
            rows = await column(
                databases, "SELECT locality, request_id FROM request_status_head WHERE status_id IN (1, 2)"
            )
            await orchestrator.advance(RequestKey(*row) for row in rows)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(drive())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_rerun_adds_nothing(fresh_databases: Databases, fresh_settings: Settings, book: WorkflowBook) -> None:
    first = await run(fresh_databases, book, order(fresh_databases, "rerun"))
    assert (first.new, first.already_there) == (TOTAL, 0)
    before = await counts(fresh_databases)
    assert all(rows["request_info"] == rows["request_status_head"] > 0 for rows in before.values())
    assert all(rows["request_info"] == rows["request_event_log"] for rows in before.values())
    again = await run(fresh_databases, book, order(fresh_databases, "rerun"))
    assert (again.new, again.already_there) == (0, TOTAL)
    assert await counts(fresh_databases) == before
    assert await is_clean(fresh_settings, book)


async def test_what_was_planned_is_what_is_there(fresh_databases: Databases, book: WorkflowBook) -> None:
    await run(fresh_databases, book, order(fresh_databases, "planned"))
    plans = list(Generator(Blueprint("planned"), fresh_databases.regions).plans(fresh_databases.regions.names, TOTAL))
    rows = await column(
        fresh_databases,
        "SELECT request_id, locality, request_type_id, primary_account_id, details, created_ts FROM request_info",
    )
    found = {row[0]: row[1:5] for row in rows}
    assert {p.request_id: (p.locality, p.type.value, p.primary_account_id, p.details) for p in plans}.items() <= (
        found.items()
    )
    links = await column(
        fresh_databases, "SELECT request_id, account_id, role, allocation_pct FROM request_account_link"
    )
    expected = {(p.request_id, link.account_id, link.role, link.allocation_pct) for p in plans for link in p.links}
    assert expected <= set(links)
    trades = {row[0] for row in await column(fresh_databases, "SELECT trade_id FROM trade_info")}
    assert {trade.trade_id for p in plans for trade in p.trades} <= trades
    accounts = {row[0] for row in await column(fresh_databases, "SELECT account_id FROM account_info")}
    assert {account.account_id for p in plans for account in p.accounts} <= accounts
    newest = max(row[5] for row in rows)
    assert (datetime.now(UTC) - newest).total_seconds() < 30


async def test_only_the_regions_asked_for(fresh_databases: Databases, book: WorkflowBook) -> None:
    before = await counts(fresh_databases)
    await run(fresh_databases, book, order(fresh_databases, "one region", regions=["us-west"], total=200))
    after = await counts(fresh_databases)
    added = {region: rows["request_info"] - before[region]["request_info"] for region, rows in after.items()}
    assert added == {"us-east": 0, "us-central": 0, "us-west": 200}
    # Their linked accounts live where they belong.
    assert after["us-east"]["account_info"] > before["us-east"]["account_info"]


async def test_the_rate_is_kept_and_a_stop_finishes_what_was_begun(
    fresh_databases: Databases, fresh_settings: Settings, book: WorkflowBook
) -> None:
    before = await counts(fresh_databases)
    stop, slow = asyncio.Event(), order(fresh_databases, "stopped", rate=100, total=None)
    asyncio.get_running_loop().call_later(2, stop.set)
    totals = await Generation(fresh_databases, book, slow, lambda totals: None).run(stop)
    assert 100 < totals.new <= 220
    after = await counts(fresh_databases)
    added = sum(after[region]["request_info"] - before[region]["request_info"] for region in after)
    assert added == totals.new
    assert await is_clean(fresh_settings, book)


async def test_everything_ends_as_expected(
    fresh_databases: Databases, fresh_settings: Settings, book: WorkflowBook
) -> None:
    quick = book.scaled(0.00003)
    wanted = order(fresh_databases, "ends", answer=True)
    async with worker(fresh_databases, quick):
        totals = await asyncio.wait_for(run(fresh_databases, quick, wanted), 90)
    assert totals.open == 0
    assert totals.signals > TOTAL / 4
    assert await is_clean(fresh_settings, quick)
    plans = {
        p.request_id: p for p in Generator(Blueprint("ends"), fresh_databases.regions).plans(wanted.regions, TOTAL)
    }
    ends = await column(
        fresh_databases,
        "SELECT request_id, status_id, metadata ->> 'from', metadata ->> 'outcome', metadata ->> 'reason' "
        "FROM request_event_log JOIN request_status_head USING (locality, request_id, seq_num, status_id)",
    )
    reasons = {row[0]: row[1:] for row in ends if row[0] in plans}
    assert len(reasons) == TOTAL
    assert {row[0] for row in reasons.values()} == {3, 4, 5}
    assert {"timed_out", "declined", "withdrawn_by_client"} <= {row[3] for row in reasons.values()}
    wrong = [(plans[i], row) for i, row in reasons.items() if not as_expected(plans[i], row)]
    assert not wrong
    assert await no_permission_is_lost(fresh_databases, plans, {i for i, row in reasons.items() if row[0] == 3})


def as_expected(plan: Plan, end: tuple[int, str, str, str]) -> bool:
    """Whether a request ended as its plan says: refused at once for that reason, or not refused for any."""
    _, source, outcome, reason = end
    if outcome != "invalid":
        return outcome == "cancel" or VALID in plan.expected
    return source == "validate" and reason in plan.expected


async def no_permission_is_lost(databases: Databases, plans: dict[UUID, Plan], completed: set[UUID]) -> bool:
    """Whether accounts hold what all completed changes, made side by side, granted and left."""
    held = {i: set(p) for i, p in await column(databases, "SELECT account_id, permissions FROM account_info")}
    expected: dict[UUID, set[str]] = {}
    for request_id in completed:
        plan = plans[request_id]
        if {"grant", "revoke"} & set(plan.details):
            account = expected.setdefault(plan.primary_account_id, set(plan.accounts[0].permissions))
            account |= set(plan.details.get("grant", ()))
            account -= set(plan.details.get("revoke", ()))
    assert expected
    return all(held[account_id] == permissions for account_id, permissions in expected.items())


async def test_sample_data_is_as_if_it_had_happened(
    fresh_databases: Databases, fresh_settings: Settings, book: WorkflowBook
) -> None:
    made = sample(book, fresh_databases.regions, accounts=1_000, requests=300, trades=1_500, now=datetime.now(UTC))
    assert await write_sample(fresh_databases, made, lambda count: None) == (1_000, 300)
    before = await counts(fresh_databases)
    assert all(rows["request_info"] > 50 for rows in before.values())
    assert await is_clean(fresh_settings, book)
    again = sample(book, fresh_databases.regions, accounts=1_000, requests=300, trades=1_500, now=datetime.now(UTC))
    assert await write_sample(fresh_databases, again, lambda count: None) == (0, 0)
    assert await counts(fresh_databases) == before


@pytest.fixture
def cli(stack: Stack, fresh_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> click.Group:
    """The commands, as `faust -A streams_app …` has them, on the fresh databases."""
    monkeypatch.setenv("STREAMS_CONFIG", str(stack.config_path))
    monkeypatch.setenv("STREAMS_DATABASE__NAME", fresh_settings.database.name)
    return click.Group("streams", commands={str(command.name): command for command in COMMANDS})


def said(cli: click.Group, *words: str, status: int = 0) -> str:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == status, result.output
    return result.output


def test_the_commands(cli: click.Group) -> None:
    made = json.loads(said(cli, "generate", "--total", "20", "--seed", "cli", "--json"))
    assert (made["new"], made["already_there"], made["seed"]) == (20, 0, "cli")
    assert "0 requests written" in said(cli, "generate", "--total", "20", "--seed", "cli")
    newest = json.loads(said(cli, "requests", "list", "--limit", "3", "--status", "pending", "--json"))
    assert len(newest) == 3
    request_id = newest[0]["request_id"]
    assert request_id in said(cli, "requests", "list", "--limit", "3")
    assert "sent" in said(cli, "requests", "cancel", request_id, "--actor", "me", "--reason", "[no] longer")
    assert "already there" in said(cli, "requests", "cancel", request_id)
    told = said(cli, "requests", "show", request_id)
    assert request_id in told
    assert "VALIDATE_REQUEST RECEIVED" in told
    assert "waits" in told
    story = json.loads(said(cli, "requests", "show", request_id, "--json"))
    assert [event["seq_num"] for event in story["events"]] == [1]
    assert story["signals"][0]["payload"] == {"reason": "[no] longer"}
    assert story["accounts"][0]["role"] == "PRIMARY"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("generate", "--mix", "profil=1"), "expected TYPE=WEIGHT"),
        (("generate", "--regions", "mars"), "expected some of us-east"),
        (("generate", "--answer-only", "--total", "5"), "writes nothing"),
        (("requests", "list", "--state", "LOST"), "expected one of RECEIVED"),
        (("requests", "list", "--region", "mars"), "expected one of us-east"),
        (("requests", "show", "5"), "not a valid UUID"),
        (("requests", "show", str(UUID(int=1))), "there is no request"),
        (("requests", "approve", str(UUID(int=1))), "there is no request"),
        (("sample-data", "--trades", "1"), "at least"),
    ],
)
def test_what_the_commands_refuse(cli: click.Group, words: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_databases_that_do_not_answer(cli: click.Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMS_DATABASE__POOL_TIMEOUT", "0.5")
    monkeypatch.setenv("STREAMS_DATABASE__NAME", "nowhere")
    assert "no database answers" in said(cli, "generate", "--total", "5", status=1)
