"""`verify --system allocations` finds each kind of violation: one at a time is planted in domains that agree without.

The world has a block order that is executed with a bust and a correction, and one that is cancelled before it is sent.
Its rows are what the steps would have written; those of the booking are what they do write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.databases.domains import domain_databases
from streams_app.delivery.events import Event
from streams_app.settings import Settings
from streams_app.systems.allocations import messages
from streams_app.systems.allocations.booker import Booker
from streams_app.systems.allocations.closer import Closer
from streams_app.systems.allocations.model import Share, Side, block_order_id, named
from streams_app.systems.allocations.reconciler import Reconciler, reconcile
from streams_app.systems.allocations.verify import steps, verify
from streams_app.systems.allocations.verify_checks import CHECKS, RELAYED
from streams_app.systems.allocations.verify_events import READERS
from streams_app.verification import Report
from tests.fix_domains import domain_administrator

pytestmark = pytest.mark.stack

DOMAINS = ("holdings", "orders", "trades", "allocations")
DAY = date(2026, 11, 20)
REBALANCE = named("rebalance", "verified")
BUY, SELL = block_order_id(REBALANCE, 17, Side.BUY), block_order_id(REBALANCE, 18, Side.SELL)
# What snapshots give to the two accounts: 12 shares, which are taken back, and 15.
SNAPSHOTS = (
    {1: Share(8, Decimal(80)), 2: Share(4, Decimal(40))},
    {1: Share(-8, Decimal(-80)), 2: Share(-4, Decimal(-40))},
    {1: Share(10, Decimal("102.8")), 2: Share(5, Decimal("51.4"))},
)
ROWS = {
    "holdings": f"""
        INSERT INTO holdings.model VALUES (1, 'm');
        INSERT INTO holdings.account (bucket, account_id, segment, risk, model_id, cash, opening_cash)
        SELECT 0, n, 's', 1, 1, 1000, 1000 FROM generate_series(1, 3) AS n;
        INSERT INTO holdings.position
        SELECT 0, n, s, 100, 100 FROM generate_series(1, 3) AS n, generate_series(17, 18) AS s;
        INSERT INTO holdings.rebalance (rebalance_id, group_name, criteria, trading_day, slices, accounts)
        VALUES ('{REBALANCE}', 'all', '{{}}', '{DAY}', 1, 3);
        INSERT INTO holdings.slice VALUES ('{REBALANCE}', 0, 0, 1, 3, 3, now());
        INSERT INTO holdings.customer_order VALUES
            ('{BUY}', 0, 1, '{REBALANCE}', 17, 'BUY', 20), ('{BUY}', 0, 2, '{REBALANCE}', 17, 'BUY', 10),
            ('{SELL}', 0, 3, '{REBALANCE}', 18, 'SELL', 7)""",
    "orders": f"""
        INSERT INTO orders.rebalance (rebalance_id, trading_day, slices, status, blocks)
        VALUES ('{REBALANCE}', '{DAY}', 1, 'PLACED', 2);
        INSERT INTO orders.block_order (block_order_id, rebalance_id, security_id, side, quantity, accounts,
                                        trading_day, status, is_cancelled)
        VALUES ('{BUY}', '{REBALANCE}', 17, 'BUY', 30, 2, '{DAY}', 'SENT', false),
               ('{SELL}', '{REBALANCE}', 18, 'SELL', 7, 1, '{DAY}', 'CANCELLED', true)""",
    "trades": f"""
        INSERT INTO trades.market_order (block_order_id, security_id, side, quantity, market_price, status)
        VALUES ('{BUY}', 17, 'BUY', 30, 10, 'DONE');
        INSERT INTO trades.execution (block_order_id, seq, execution_id, kind, ref_seq, quantity, price, executed_at)
        SELECT '{BUY}', seq, md5(seq::text)::uuid, kind, ref_seq, quantity, price, '2026-11-20 15:00Z'
          FROM (VALUES (1, 'FILL', NULL, 12, 10), (2, 'FILL', NULL, 10, 10.5), (3, 'BUST', 1, 0, 0),
                       (4, 'CORRECT', 2, 9, 10.4), (5, 'FILL', NULL, 6, 10.1), (6, 'DONE', NULL, 0, 0))
            AS e (seq, kind, ref_seq, quantity, price)""",
    "allocations": f"""
        INSERT INTO allocations.block_order (block_order_id, rebalance_id, security_id, side, trading_day, market_price,
                                             ordered, parts, executed, amount, allotted, allotted_amount, applied_seq,
                                             snapshot_seq, snapshots, is_done)
        VALUES ('{BUY}', '{REBALANCE}', 17, 'BUY', '{DAY}', 10, 30, 1, 15, 154.2, 15, 154.2, 6, 6, 3, true);
        INSERT INTO allocations.snapshot VALUES
            ('{BUY}', 1, 'FILL', 1, 1, 12, 120, 10, 10, true), ('{BUY}', 2, 'REVERSAL', 1, 1, -12, -120, 10, 10, true),
            ('{BUY}', 3, 'FILL', 2, 6, 15, 154.2, 10.28, 10.28, true);
        INSERT INTO allocations.part VALUES ('{BUY}', 0, 0, 30, 15);
        INSERT INTO allocations.part_due VALUES
            ('{BUY}', 0, 1, 12, 120, now()), ('{BUY}', 0, 2, -12, -120, now()), ('{BUY}', 0, 3, 15, 154.2, now());
        INSERT INTO allocations.allocation VALUES ('{BUY}', 0, 1, 20, 10, 102.8), ('{BUY}', 0, 2, 10, 5, 51.4)""",
}  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """A statement that makes a domain wrong, and the checks that must find it."""

    name: str
    domain: str
    statement: str
    found: set[str]


PLANTS = [
    Plant("an execution that did not come", "allocations", "DELETE FROM allocations.execution WHERE seq = 6",
          {"executions_are_captured", "executions_are_in_sequence"}),
    Plant("an execution at another price", "allocations", "UPDATE allocations.execution SET price = 9 WHERE seq = 2",
          {"captured_as_made"}),
    Plant("an execution of nobody", "allocations", "INSERT INTO allocations.execution SELECT block_order_id, 9,"
          " execution_id, kind, ref_seq, quantity, price, executed_at FROM allocations.execution WHERE seq = 5",
          {"captured_as_made"}),
    Plant("a gap at the market", "trades", "UPDATE trades.execution SET seq = 7 WHERE seq = 6",
          {"executions_are_in_sequence", "executions_are_captured", "captured_as_made"}),
    Plant("another sum of executions", "allocations", "UPDATE allocations.block_order SET executed = 16, allotted = 16",
          {"what_stands_follows", "snapshots_add_up", "parts_add_up", "block_orders_are_closed"}),
    Plant("executions that were not given", "allocations", "UPDATE allocations.block_order SET allotted_amount = 154",
          {"snapshots_add_up", "done_is_allotted"}),
    Plant("a part too many", "allocations", "UPDATE allocations.block_order SET parts = 2", {"parts_add_up"}),
    Plant("a part that is not filled", "allocations", "UPDATE allocations.part_due SET filled_at = NULL"
          " WHERE snapshot_no = 3", {"parts_are_filled", "fills_are_due", "bookings_are_fills"}),
    Plant("a fill too many", "allocations", "INSERT INTO allocations.fill VALUES"
          f" ('{BUY}', 0, 4, 1, 1, 10, now())", {"fills_are_due", "accounts_are_filled"}),
    Plant("a fill of another size", "allocations", "UPDATE allocations.fill SET quantity = 9 WHERE snapshot_no = 1"
          " AND account_id = 1", {"fills_are_due", "accounts_are_filled"}),
    Plant("fills of other accounts", "allocations", "UPDATE allocations.fill SET account_id = account_id + 10",
          {"accounts_are_filled"}),
    Plant("a customer order that was left out", "holdings", "INSERT INTO holdings.customer_order VALUES"
          f" ('{BUY}', 0, 3, '{REBALANCE}', 17, 'BUY', 1)",
          {"block_orders_are_the_customers", "allocations_are_the_customers"}),
    Plant("a block order that was left out", "holdings", "INSERT INTO holdings.customer_order VALUES"
          f" ('{named('x')}', 0, 3, '{REBALANCE}', 19, 'BUY', 1)", {"block_orders_are_the_customers"}),
    Plant("customer orders of others", "holdings", "UPDATE holdings.customer_order SET account_id = account_id + 10",
          {"allocations_are_the_customers"}),
    Plant("another order at the market", "trades", "UPDATE trades.market_order SET side = 'SELL'",
          {"domains_agree_on_orders"}),
    Plant("an order at the market of nobody", "trades", "INSERT INTO trades.market_order (block_order_id, status)"
          f" VALUES ('{named('x')}', 'CANCELLED')", {"domains_agree_on_orders"}),
    Plant("a block order that was not sent", "orders", "UPDATE orders.block_order SET status = 'NEW'"
          " WHERE is_cancelled", {"block_orders_are_sent"}),
    Plant("a block order that hangs at the market", "orders", "UPDATE orders.block_order SET status = 'SENT',"
          f" version = 0 WHERE block_order_id = '{SELL}'", {"block_orders_are_sent"}),
    Plant("a closing of another amount", "holdings", "UPDATE holdings.closing SET amount = 154 WHERE version = 6",
          {"closings_follow", "block_orders_are_closed"}),
    Plant("a closing that did not come", "holdings", "DELETE FROM holdings.closing WHERE version = 6",
          {"block_orders_are_closed"}),
    Plant("a part that is not booked", "holdings", "DELETE FROM holdings.booked_part WHERE snapshot_no = 3",
          {"fills_are_booked", "settlements_are_bookings"}),
    Plant("a part that is booked as something else", "holdings", "UPDATE holdings.booked_part SET amount = 154"
          " WHERE snapshot_no = 3", {"bookings_are_fills", "settlements_are_bookings"}),
    Plant("settlements that changed places", "holdings", "UPDATE holdings.settlement"
          " SET quantity = 15 - quantity, amount = 154.2 - amount",
          {"settlements_are_fills", "positions_are_conserved", "cash_is_conserved"}),
    Plant("a share from nowhere", "holdings", "UPDATE holdings.position SET quantity = quantity + 1"
          " WHERE account_id = 3 AND security_id = 18", {"positions_are_conserved"}),
    Plant("money from nowhere", "holdings", "UPDATE holdings.account SET cash = cash + 0.0001 WHERE account_id = 3",
          {"cash_is_conserved"}),
    Plant("a rebalance that does not end", "holdings", "UPDATE holdings.rebalance SET status = 'RUNNING',"
          " ended_at = NULL", {"rebalances_end"}),
    Plant("an event that had no effect", "holdings", "DELETE FROM event_consumption_key WHERE event_id ="
          f" '{messages.BOOKINGS}'", {"events_are_consumed"}),
    Plant("an event that is not ready", "orders", "UPDATE event_consumption_key SET processed_at = NULL"
          f" WHERE event_id = '{messages.CLOSED}'", {"events_are_consumed"}),
    Plant("an event that had its effect twice", "trades", "INSERT INTO event_consumption_key SELECT region, 'other',"
          " event_id, created_at, digest, processed_at FROM event_consumption_key", {"events_are_consumed_once"}),
    Plant("an effect of nothing", "allocations", "DELETE FROM event_production_log WHERE event_id ="
          f" '{messages.BOOKINGS}'", {"consumed_events_were_produced"}),
]  # fmt: skip


def tables_of(domain: str) -> list[str]:
    """What a plant may touch."""
    own = {"holdings": "rebalance customer_order booked_part settlement closing position account",
           "orders": "rebalance block_order", "trades": "market_order execution",
           "allocations": "block_order execution snapshot part part_due allocation fill"}  # fmt: skip
    return [f"{domain}.{name}" for name in own[domain].split()] + ["event_consumption_key", "event_production_log"]


async def make(settings: Settings) -> None:
    """Let the steps of the booking do their part, and a message have passed on each topic."""
    async with domain_databases(settings) as databases:
        for number, shares in enumerate(SNAPSHOTS, 1):
            event = messages.part_filled(BUY, REBALANCE, 17, Side.BUY, DAY, (0, 0, number), shares)
            await _do(databases, Booker(settings.allocations), event)
        closed = [
            *messages.block_closed(BUY, REBALANCE, 15, Decimal("154.2"), 6),
            *messages.block_closed(SELL, REBALANCE, 0, Decimal(0), 0),
        ]
        await _do(databases, Closer(), *(event for event in closed if event.topic == messages.CLOSED))
        ends = [event for event in closed if event.topic == messages.CLOSINGS]
        await _do(databases, Reconciler(), *ends, messages.blocks_placed(REBALANCE, 2))
        assert (await reconcile(databases, settings.allocations)).ended == 1


async def _do(databases: Databases, step: Any, *events: Event) -> None:
    async with databases.transaction(step.domain) as connection:
        await step.work(connection, [event.payload for event in events])


@pytest.fixture(scope="module")
def world(domain_settings: Settings, stack: Stack) -> Settings:
    """Domains that agree; of what a plant may touch there is a copy."""
    for domain, statements in ROWS.items():
        with domain_administrator(domain_settings, stack, domain) as connection:
            connection.execute(statements.encode())
            if domain == "allocations":
                _executions_and_fills(connection)
            _events(connection, domain)
    asyncio.run(make(domain_settings))
    for domain in DOMAINS:
        with domain_administrator(domain_settings, stack, domain) as connection:
            connection.execute(b"CREATE SCHEMA kept")
            for table in tables_of(domain):
                connection.execute(f"CREATE TABLE kept.{table.split('.')[-1]} AS TABLE {table}".encode())
    return domain_settings


def _executions_and_fills(connection: Any) -> None:
    select = ROWS["trades"].partition("INSERT INTO trades.execution")[2]
    connection.execute(f"INSERT INTO allocations.execution {select}".encode())
    for number, shares in enumerate(SNAPSHOTS, 1):
        for account, share in shares.items():
            connection.execute(
                b"INSERT INTO allocations.fill VALUES (%s, 0, %s, %s, %s, %s)",
                (BUY, number, account, share.quantity, share.amount),
            )


def _events(connection: Any, domain: str) -> None:
    """One event of each topic, called as it is."""
    makers = {messages.SLICES: "holdings", messages.ROUTED: "holdings", messages.PARTS: "allocations",
              messages.BOOKINGS: "allocations", messages.CLOSED: "allocations"}  # fmt: skip
    for topic, reader in READERS.items():
        if makers.get(topic, "orders") == domain:
            connection.execute(
                b"INSERT INTO event_production_log (region, event_id, service_name, topic, event_type, payload, shard)"
                b" VALUES (%s, %s, 's', %s, 't', '{}', 0)",
                (domain, topic, topic),
            )
        if reader == domain:
            connection.execute(
                b"INSERT INTO event_consumption_key VALUES (%s, 'g', %s, now(), 'd', now())", (domain, topic)
            )


@pytest.fixture
def planted(world: Settings, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Plant]:
    """A plant, and its domain as it was afterwards."""
    plant: Plant = request.param
    with domain_administrator(world, stack, plant.domain) as connection:
        connection.execute(b"SET session_replication_role = replica")
        assert connection.execute(plant.statement.encode()).rowcount > 0
    yield plant
    with domain_administrator(world, stack, plant.domain) as connection:
        connection.execute(b"SET session_replication_role = replica")
        for table in tables_of(plant.domain):
            connection.execute(f"DELETE FROM {table}".encode())
            columns = "OVERRIDING SYSTEM VALUE" if table == "event_production_log" else ""
            connection.execute(f"INSERT INTO {table} {columns} TABLE kept.{table.split('.')[-1]}".encode())


def names(report: Report) -> set[str]:
    """The checks that found something."""
    return {finding.check.name for finding in report.findings if finding.violations}


async def test_domains_that_agree_are_clean(world: Settings) -> None:
    calls: list[None] = []
    report = await verify(world, grace=0, samples=3, on_check=lambda: calls.append(None))
    assert names(report) == set(), report
    assert len(calls) == steps(world)
    assert {finding.check for finding in report.findings} == set(CHECKS) - {RELAYED}
    assert report.figures == {
        "rebalances": 1,
        "blocks": 2,
        "executions": 6,
        "fills": 6,
        "bookings": 3,
        "by_status": {"COMPLETE": 1},
    }


@pytest.mark.parametrize("planted", PLANTS, ids=lambda plant: plant.name.replace(" ", "-"), indirect=True)
async def test_what_is_planted_is_found(world: Settings, planted: Plant) -> None:
    assert names(await verify(world, grace=0, samples=3)) == planted.found


def test_every_check_has_a_plant() -> None:
    assert {name for plant in PLANTS for name in plant.found} == {check.name for check in CHECKS} - {RELAYED.name}


async def test_where_a_relay_carries_the_events_it_has_sent_them(world: Settings) -> None:
    relayed = world.allocations.model_copy(update={"delivery": "relay"})
    settings = world.model_copy(update={"allocations": relayed})
    calls: list[None] = []
    report = await verify(settings, grace=0, samples=1, on_check=lambda: calls.append(None))
    assert names(report) == {RELAYED.name}
    assert len(calls) == steps(settings)


@pytest.mark.parametrize(
    "planted",
    [plant for plant in PLANTS if plant.name in ("an event that had no effect", "a closing that did not come")],
    ids=lambda plant: plant.name.replace(" ", "-"),
    indirect=True,
)
async def test_what_is_young_may_be_on_its_way(world: Settings, planted: Plant) -> None:
    assert (await verify(world, grace=600, samples=3)).clean
