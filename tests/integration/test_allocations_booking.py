"""Booking on real databases: the booker, the closer, the reconciler, and what people see of breaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from streams_app.databases import Databases
from streams_app.delivery.events import Event
from streams_app.settings import Settings
from streams_app.systems.allocations.booker import Booker
from streams_app.systems.allocations.breaks import BreakKind, list_breaks
from streams_app.systems.allocations.closer import Closer
from streams_app.systems.allocations.messages import block_closed, blocks_placed, part_filled
from streams_app.systems.allocations.model import Share, Side
from streams_app.systems.allocations.reconciler import Reconciled, Reconciler, reconcile
from streams_app.systems.allocations.steps import Step

pytestmark = pytest.mark.stack

FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
SECURITY = 17


async def rows(databases: Databases, domain: str, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """What a statement answers or returns, committed."""
    async with databases.transaction(domain) as connection:
        cursor = await connection.execute(statement.encode(), arguments)
        return await cursor.fetchall() if cursor.description else []


async def do(databases: Databases, step: Step, events: Sequence[Event]) -> None:
    """A step's unit of work."""
    async with databases.transaction(step.domain) as connection:
        assert await step.work(connection, [event.payload for event in events]) == []


class World:
    """A rebalance of two accounts of a bucket of its own, which buy and sell one security."""

    def __init__(self, databases: Databases, settings: Settings) -> None:
        self.databases = databases
        self.settings = settings.allocations
        self.rebalance_id = uuid4()
        self.blocks = {side: uuid4() for side in Side}
        self.bucket = self.rebalance_id.int % 30_000

    async def make(self, status: str = "RUNNING") -> None:
        """Write the rows that routing would have written."""
        await rows(self.databases, "holdings", "INSERT INTO holdings.model VALUES (1, 'm') ON CONFLICT DO NOTHING")
        for account in (1, 2):
            await rows(
                self.databases,
                "holdings",
                "WITH a AS (INSERT INTO holdings.account (bucket, account_id, segment, risk, model_id, cash,"
                " opening_cash) VALUES (%s, %s, 's', 1, 1, 1000, 1000))"
                " INSERT INTO holdings.position VALUES (%s, %s, %s, 100, 100)",
                *(self.bucket, account, self.bucket, account, SECURITY),
            )
        await rows(
            self.databases,
            "holdings",
            "WITH r AS (INSERT INTO holdings.rebalance (rebalance_id, group_name, criteria, trading_day, status,"
            " slices, accounts) VALUES (%s, 'all', '{}', %s, %s, 1, 2))"
            " INSERT INTO holdings.slice VALUES (%s, 0, %s, 1, 2)",
            *(self.rebalance_id, FRIDAY, status, self.rebalance_id, self.bucket),
        )
        await rows(
            self.databases,
            "orders",
            "INSERT INTO orders.rebalance (rebalance_id, trading_day, slices, status, blocks)"
            " VALUES (%s, %s, 1, 'PLACED', 2)",
            *(self.rebalance_id, FRIDAY),
        )
        for side, block in self.blocks.items():
            await rows(
                self.databases,
                "orders",
                "INSERT INTO orders.block_order (block_order_id, rebalance_id, security_id, side, quantity, accounts,"
                " trading_day, status) VALUES (%s, %s, %s, %s, 30, 2, %s, 'SENT')",
                *(block, self.rebalance_id, SECURITY, side, FRIDAY),
            )

    def filled(self, side: Side, snapshot: int, shares: dict[int, Share], part: int = 0) -> Event:
        """What the filler says of a part."""
        place = (self.bucket, part, snapshot)
        return part_filled(self.blocks[side], self.rebalance_id, SECURITY, side, FRIDAY, place, shares)

    def closed(self, side: Side, executed: int, amount: str, version: int) -> list[Event]:
        """What capture says of a block order in the end: to the closer, to the reconciler."""
        return block_closed(self.blocks[side], self.rebalance_id, executed, Decimal(amount), version)

    async def book(self, *events: Event) -> None:
        await do(self.databases, Booker(self.settings), events)

    async def close(self, *events: Event) -> None:
        """Each event by the step that it is for."""
        reconciler, closer = Reconciler(), Closer()
        for step in (reconciler, closer):
            mine = [event for event in events if event.topic == step.topic]
            if mine:
                await do(self.databases, step, mine)

    async def reconcile(self, **changed: Any) -> Reconciled:
        return await reconcile(self.databases, self.settings.model_copy(update=changed))

    async def holdings(self) -> dict[int, tuple[int, Decimal]]:
        """Shares and cash by account."""
        found = await rows(
            self.databases,
            "holdings",
            "SELECT account_id, p.quantity, a.cash FROM holdings.account a JOIN holdings.position p"
            " USING (bucket, account_id) WHERE bucket = %s AND security_id = %s",
            *(self.bucket, SECURITY),
        )
        return {account: (quantity, cash) for account, quantity, cash in found}

    async def status(self) -> tuple[str, str]:
        """Of the rebalance, in holdings and in orders."""
        [(one,)] = await rows(
            self.databases,
            "holdings",
            "SELECT status FROM holdings.rebalance WHERE rebalance_id = %s",
            self.rebalance_id,
        )
        [(other,)] = await rows(
            self.databases, "orders", "SELECT status FROM orders.rebalance WHERE rebalance_id = %s", self.rebalance_id
        )
        return one, other

    async def breaks(self, *, resolved: bool = False) -> dict[str, list[str]]:
        """Subjects of this world's breaks by kind."""
        mine = {str(block) for block in self.blocks.values()} | {str(self.bucket)}
        async with self.databases.connection("holdings") as connection:
            found = await list_breaks(connection, resolved=resolved)
        kinds: dict[str, list[str]] = {}
        for row in found:
            if row.subject.split("/")[0] in mine:
                kinds.setdefault(row.kind, []).append(row.subject)
        return kinds


@pytest.fixture
async def world(domains: Databases, domain_settings: Settings) -> World:
    """A world of its own in the module's databases."""
    made = World(domains, domain_settings)
    await made.make()
    return made


TEN, FIVE = Share(10, Decimal("101.5000")), Share(5, Decimal("50.7500"))


async def test_parts_of_one_call_become_positions_cash_and_settlements(world: World) -> None:
    await world.book(
        world.filled(Side.BUY, 1, {1: TEN, 2: FIVE}),
        world.filled(Side.BUY, 2, {1: FIVE}),
        world.filled(Side.SELL, 1, {2: TEN}, part=3),
    )
    assert await world.holdings() == {1: (115, Decimal("847.7500")), 2: (95, Decimal("1050.7500"))}
    settlements = await rows(
        world.databases,
        "holdings",
        "SELECT account_id, side, security_id, quantity, amount, trade_date, settle_date FROM holdings.settlement"
        " WHERE bucket = %s ORDER BY side, account_id",
        world.bucket,
    )
    assert settlements == [
        (1, "BUY", SECURITY, 15, Decimal("152.2500"), FRIDAY, MONDAY),
        (2, "BUY", SECURITY, 5, Decimal("50.7500"), FRIDAY, MONDAY),
        (2, "SELL", SECURITY, 10, Decimal("101.5000"), FRIDAY, MONDAY),
    ]
    parts = await rows(
        world.databases,
        "holdings",
        "SELECT part_no, snapshot_no, quantity, amount FROM holdings.booked_part WHERE rebalance_id = %s"
        " ORDER BY part_no, snapshot_no",
        world.rebalance_id,
    )
    assert parts == [(0, 1, 15, Decimal("152.2500")), (0, 2, 5, Decimal("50.7500")), (3, 1, 10, Decimal("101.5000"))]


async def test_a_reversal_that_comes_first_leads_to_the_same(world: World) -> None:
    back = Share(-10, Decimal("-101.5000"))
    await world.book(world.filled(Side.BUY, 2, {1: back}))
    assert await world.holdings() == {1: (90, Decimal("1101.5000")), 2: (100, Decimal(1000))}
    await world.book(world.filled(Side.BUY, 1, {1: TEN}))
    assert await world.holdings() == {1: (100, Decimal(1000)), 2: (100, Decimal(1000))}


async def test_a_part_is_not_booked_twice(world: World) -> None:
    await world.book(world.filled(Side.BUY, 1, {1: TEN}))
    with pytest.raises(psycopg.errors.UniqueViolation):
        await world.book(world.filled(Side.BUY, 1, {1: TEN}))
    assert (await world.holdings())[1] == (110, Decimal("898.5000"))


async def test_fills_of_an_account_that_is_not_there_are_refused(world: World) -> None:
    with pytest.raises(LookupError, match=f"no account 9 in bucket {world.bucket}"):
        await world.book(world.filled(Side.BUY, 1, {1: TEN, 9: TEN}))
    assert (await world.holdings())[1] == (100, Decimal(1000))


async def test_a_new_security_becomes_a_position_whose_opening_is_nothing(world: World) -> None:
    place = (world.bucket, 0, 1)
    await world.book(part_filled(uuid4(), world.rebalance_id, 99, Side.BUY, FRIDAY, place, {1: TEN}))
    [found] = await rows(
        world.databases,
        "holdings",
        "SELECT quantity, opening FROM holdings.position WHERE bucket = %s AND security_id = 99",
        world.bucket,
    )
    assert found == (10, 0)


@pytest.mark.parametrize(
    ("executed", "is_cancelled", "status"),
    [
        (30, False, "FILLED"),
        (12, False, "PARTIAL"),
        (12, True, "PARTIAL"),
        (0, True, "CANCELLED"),
        (0, False, "PARTIAL"),
    ],
)
async def test_block_orders_end_as_the_market_says(
    world: World, executed: int, is_cancelled: bool, status: str
) -> None:
    block = world.blocks[Side.BUY]
    await rows(
        world.databases,
        "orders",
        "UPDATE orders.block_order SET is_cancelled = %s WHERE block_order_id = %s",
        *(is_cancelled, block),
    )
    await world.close(world.closed(Side.BUY, executed, "300.5", 7)[0])
    [found] = await rows(
        world.databases,
        "orders",
        "SELECT status, executed, amount, version FROM orders.block_order WHERE block_order_id = %s",
        block,
    )
    assert found == (status, executed, Decimal("300.5000"), 7)
    assert (await world.status())[1] == "PLACED"


async def test_an_older_closing_never_replaces_a_newer_one(world: World) -> None:
    await world.close(*world.closed(Side.BUY, 30, "300", 9))
    await world.close(*world.closed(Side.BUY, 20, "200", 7))
    for domain, table in (("orders", "orders.block_order"), ("holdings", "holdings.closing")):
        [found] = await rows(
            world.databases,
            domain,
            f"SELECT executed, amount, version FROM {table} WHERE block_order_id = %s",
            world.blocks[Side.BUY],
        )
        assert found == (30, Decimal(300), 9)


async def test_a_rebalance_is_closed_with_its_last_block_order(world: World) -> None:
    await world.close(*world.closed(Side.BUY, 30, "300", 9))
    assert (await world.status())[1] == "PLACED"
    await world.close(*world.closed(Side.SELL, 0, "0", 1))
    assert (await world.status())[1] == "CLOSED"


async def test_what_nobody_knows_is_refused(world: World) -> None:
    strange: UUID = uuid4()
    with pytest.raises(LookupError, match=f"no block order {strange}"):
        await world.close(block_closed(strange, world.rebalance_id, 1, Decimal(1), 1)[0])
    with pytest.raises(LookupError, match=f"no rebalance {strange}"):
        await world.close(blocks_placed(strange, 1))


async def test_a_rebalance_ends_when_its_bookings_are_what_was_executed(world: World) -> None:
    buy, sell = world.closed(Side.BUY, 10, "101.5", 3), world.closed(Side.SELL, 10, "101.5", 3)
    await world.close(*buy, *sell)
    assert (await world.reconcile()).ended == 0, "it is not known how many block orders there are"
    await world.close(blocks_placed(world.rebalance_id, 2))
    await world.book(world.filled(Side.BUY, 1, {1: TEN}))
    assert await world.reconcile() == Reconciled(0, 0, 0)
    assert (await world.status())[0] == "RUNNING"
    await world.book(world.filled(Side.SELL, 1, {1: TEN}))
    assert await world.reconcile() == Reconciled(1, 0, 0)
    assert (await world.status())[0] == "COMPLETE"
    assert await world.reconcile() == Reconciled(0, 0, 0)


async def test_a_rebalance_that_is_being_cancelled_ends_so(domains: Databases, domain_settings: Settings) -> None:
    world = World(domains, domain_settings)
    await world.make("CANCELLING")
    await world.close(blocks_placed(world.rebalance_id, 0))
    assert (await world.reconcile()).ended == 1
    assert (await world.status())[0] == "CANCELLED"


async def test_what_differs_for_too_long_is_a_break_until_it_matches(world: World) -> None:
    await world.close(blocks_placed(world.rebalance_id, 1), *world.closed(Side.BUY, 10, "101.5", 3))
    await world.book(world.filled(Side.BUY, 1, {1: FIVE}))
    assert await world.reconcile() == Reconciled(0, 0, 0)
    assert await world.breaks() == {}
    assert (await world.reconcile(break_after=0)).breaks
    assert await world.breaks() == {BreakKind.BOOKED: [str(world.blocks[Side.BUY])]}
    assert await world.reconcile(break_after=0) == Reconciled(0, 0, 0), "known breaks are not found again"
    await world.book(world.filled(Side.BUY, 2, {2: FIVE}))
    assert await world.reconcile() == Reconciled(1, 0, 1)
    assert await world.breaks() == {}
    assert list(await world.breaks(resolved=True)) == [BreakKind.BOOKED]


async def test_a_bust_after_the_end_is_looked_at_too(world: World) -> None:
    await world.close(blocks_placed(world.rebalance_id, 1), *world.closed(Side.BUY, 10, "101.5", 3))
    await world.book(world.filled(Side.BUY, 1, {1: TEN}))
    assert await world.reconcile() == Reconciled(1, 0, 0)
    await world.close(*world.closed(Side.BUY, 0, "0", 4))
    await world.reconcile(break_after=0)
    assert await world.breaks() == {BreakKind.BOOKED: [str(world.blocks[Side.BUY])]}
    await world.book(world.filled(Side.BUY, 2, {1: Share(-10, Decimal("-101.5"))}))
    assert (await world.reconcile(break_after=0)).resolved == 1
    assert await world.breaks() == {}


async def test_a_negative_position_is_a_break_at_once(world: World) -> None:
    many = Share(101, Decimal(1))
    await world.book(world.filled(Side.SELL, 1, {2: many}))
    assert await world.breaks() == {BreakKind.NEGATIVE_POSITION: [f"{world.bucket}/2/{SECURITY}"]}
    assert (await world.reconcile()).resolved == 0
    await world.book(world.filled(Side.BUY, 1, {2: FIVE}))
    assert (await world.reconcile()).resolved == 1
    assert await world.breaks() == {}


async def test_cash_below_zero_is_a_break_at_the_end(world: World) -> None:
    dear = Share(10, Decimal(1001))
    await world.book(world.filled(Side.BUY, 1, {1: dear}))
    assert await world.reconcile() == Reconciled(0, 0, 0)
    await world.close(blocks_placed(world.rebalance_id, 1), *world.closed(Side.BUY, 10, "1001", 3))
    assert await world.reconcile() == Reconciled(1, 1, 0)
    assert await world.breaks() == {BreakKind.NEGATIVE_CASH: [f"{world.bucket}/1"]}
    await world.book(world.filled(Side.SELL, 1, {1: TEN}))
    assert (await world.reconcile()).resolved == 1


async def test_a_price_outside_the_band_is_a_break(world: World) -> None:
    for number, is_fair in ((1, True), (2, False)):
        await rows(
            world.databases,
            "allocations",
            "INSERT INTO allocations.snapshot (block_order_id, snapshot_no, kind, from_seq, to_seq, quantity, amount,"
            " average_price, fair_price, is_fair) VALUES (%s, %s, 'FILL', 1, 1, 1, 10, 10, 9, %s)",
            *(world.blocks[Side.BUY], number, is_fair),
        )
    assert (await world.reconcile()).breaks == 1
    assert await world.breaks() == {BreakKind.UNFAIR_PRICE: [f"{world.blocks[Side.BUY]}/2"]}
    assert await world.reconcile() == Reconciled(0, 0, 0)
