"""From executions to fills on real databases: every share once, in whatever order and how often executions come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from streams_app.allocation_settings import AllocationSettings
from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.arrays import numbers
from streams_app.delivery.events import Event
from streams_app.delivery.ports import Outcome
from streams_app.settings import Settings
from streams_app.systems.allocations.capture import ExecutionCapture
from streams_app.systems.allocations.filler import Filler
from streams_app.systems.allocations.gaps import fill_gaps
from streams_app.systems.allocations.market import Market, Ticker
from streams_app.systems.allocations.messages import BOOKINGS, CLOSED, PARTS, Payload, cancel_sent, order_sent
from streams_app.systems.allocations.model import Execution, ExecutionKind, Side, block_order_id
from streams_app.systems.allocations.opener import Opener
from streams_app.systems.allocations.steps import Step
from tests.unit.allocations_fills.made import execution, record_of, row_of

pytestmark = pytest.mark.stack

DAY, OPEN = date(2026, 11, 20), Decimal("100.0000")
#: Three parts of two buckets, 100 shares together.
ORDERS = [(0, 1, 40), (0, 2, 7), (0, 3, 3), (1, 4, 50)]


class World:
    """The domains, and the steps that lead from executions to fills."""

    def __init__(self, databases: Databases, settings: Settings) -> None:
        self.databases = databases
        market = settings.allocations.market.model_copy(update={"bust_rate": 0.2, "correct_rate": 0.2})
        self.settings: AllocationSettings = settings.allocations.model_copy(update={"part_orders": 2, "market": market})
        self.capture = ExecutionCapture(databases, self.settings, self)
        self.events: list[Event] = []

    async def publish(self, region: str, events: Sequence[Event], transaction: Any) -> int:
        """What capture publishes."""
        assert region == "allocations"
        self.events += events
        return len(events)

    async def place(self, orders: Sequence[tuple[int, int, int]] = ORDERS) -> Payload:
        """Customer orders (bucket, account, shares) and their block order; returns what the opener is told."""
        rebalance = uuid4()
        block, quantity = block_order_id(rebalance, 7, Side.BUY), sum(shares for _, _, shares in orders)
        buckets, accounts, shares = (numbers(column) for column in zip(*orders, strict=True))
        async with self.databases.connection("holdings") as connection:
            sql = b"""
                INSERT INTO holdings.customer_order (block_order_id, rebalance_id, security_id, side, bucket,
                                                     account_id, quantity)
                SELECT %s, %s, 7, 'BUY', k.* FROM unnest(%s::int2[], %s::int8[], %s::int8[]) AS k
            """
            await connection.execute(sql, (block, rebalance, buckets, accounts, shares))
        async with self.databases.connection("orders") as connection:
            sql = b"""
                INSERT INTO orders.block_order (block_order_id, rebalance_id, security_id, side, quantity, accounts,
                                                trading_day)
                VALUES (%s, %s, 7, 'BUY', %s, %s, %s)
            """
            await connection.execute(sql, (block, rebalance, quantity, len(orders), DAY))
        return order_sent(block, rebalance, 7, Side.BUY, quantity, OPEN, DAY)[1].payload

    async def step(self, step: Step, *payloads: Payload) -> Sequence[Event]:
        """Do a step in a transaction of its own."""
        async with self.databases.transaction(step.domain) as connection:
            events = await step.work(connection, payloads)
        self.events += events
        return events

    async def open(self, *payloads: Payload) -> None:
        await self.step(Opener(self.databases, self.settings), *payloads)

    async def take(self, records: Iterable[Record]) -> Outcome:
        """Give records to capture, as one batch."""
        changes = [self.capture.decode(record) for record in records]
        return await self.capture.process("allocations", [change for change in changes if change is not None])

    async def send(self, *executions: Execution) -> Outcome:
        return await self.take(record_of(row_of(each), offset) for offset, each in enumerate(executions))

    async def fill(self) -> None:
        """Fill all parts that events name, also those that are filled."""
        due = [event.payload for event in self.events if event.topic == PARTS]
        await self.step(Filler(), *due)

    async def rows(self, domain: str, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async with self.databases.connection(domain) as connection:
            return await (await connection.execute(sql.encode(), arguments)).fetchall()

    async def block(self, payload: Payload) -> tuple[Any, ...]:
        """Executed, amount, allotted, applied_seq, is_done."""
        sql = """
            SELECT executed, amount, allotted, applied_seq, is_done FROM allocations.block_order
             WHERE block_order_id = %s
        """
        [row] = await self.rows("allocations", sql, payload["block_order_id"])
        return row

    async def fills(self, payload: Payload) -> dict[int, tuple[int, Decimal]]:
        """Shares and money of each account, as its fills add up; the same as its allocation says."""
        of_fills = """
            SELECT account_id, sum(quantity)::int8, sum(amount) FROM allocations.fill WHERE block_order_id = %s
             GROUP BY account_id
        """
        found = {row[0]: row[1:] for row in await self.rows("allocations", of_fills, payload["block_order_id"])}
        sql = "SELECT account_id, filled, amount, ordered FROM allocations.allocation WHERE block_order_id = %s"
        for account, filled, amount, ordered in await self.rows("allocations", sql, payload["block_order_id"]):
            assert found.get(account, (0, 0)) == (filled, amount)
            assert 0 <= filled <= ordered
        return found

    async def conserved(self, payload: Payload) -> int:
        """Check that accounts have exactly what was executed, and that the booker and closer are told so; returns how
        many shares that is."""
        executed, amount, allotted, _, is_done = await self.block(payload)
        fills = (await self.fills(payload)).values()
        assert (sum(quantity for quantity, _ in fills), sum(money for _, money in fills)) == (executed, amount)
        assert (allotted, is_done) == (executed, True)
        told = [event.payload for event in self.events if event.payload["block_order_id"] == payload["block_order_id"]]
        booked = [fill for data in told if "fills" in data for fill in data["fills"]]
        assert sum(quantity for _, quantity, _ in booked) == executed
        assert sum(Decimal(money) for _, _, money in booked) == amount
        closed = [event.payload for event in self.events if event.topic == CLOSED and event.payload in told]
        last = max(closed, key=lambda data: data["version"])
        assert (last["executed"], Decimal(last["amount"])) == (executed, amount)
        names = [event.event_id for event in self.events if event.topic in (PARTS, BOOKINGS, CLOSED)]
        assert len(names) == len(set(names))
        return executed


@pytest.fixture
def world(domains: Databases, domain_settings: Settings) -> World:
    return World(domains, domain_settings)


def of(
    payload: Payload, seq: int, kind: str, quantity: int = 0, price: str = "0", ref_seq: int | None = None
) -> Execution:
    """An execution of the block order that the opener was told of."""
    return execution(seq, kind, quantity, price, ref_seq, UUID(payload["block_order_id"]))


async def executed(world: World, payloads: Sequence[Payload]) -> list[Record]:
    """What the market makes of orders, as records of the feed."""
    await world.step(Market(), *[{**payload, "type": "OrderSent"} for payload in payloads])
    ticker = Ticker(world.databases, world.settings)
    while await ticker.round():
        pass
    sql = """
        SELECT block_order_id, seq, kind, quantity, price, executed_at, ref_seq FROM trades.execution
         WHERE block_order_id = ANY(%s::uuid[]) ORDER BY seq, block_order_id
    """
    rows = await world.rows("trades", sql, [payload["block_order_id"] for payload in payloads])
    made = [Execution(*row[:2], ExecutionKind(row[2]), *row[3:]) for row in rows]
    return [record_of(row_of(each), offset) for offset, each in enumerate(made)]


@pytest.mark.parametrize("seed", range(3))
async def test_accounts_get_what_is_executed_whatever_the_order_and_the_batches(world: World, seed: int) -> None:
    rng = Random(seed)
    payloads = [await world.place() for _ in range(4)]
    records = await executed(world, payloads)
    jumbled = records + rng.sample(records, len(records) // 3)
    rng.shuffle(jumbled)
    await world.open(*payloads[:2])
    while jumbled:
        size = rng.randint(1, len(records))
        outcome = await world.take(jumbled[:size])
        assert not outcome.rejected
        jumbled = jumbled[size:]
        if rng.random() < 0.5:
            await world.fill()
    await world.open(*payloads)
    await world.fill()
    await world.fill()
    for payload in payloads:
        await world.conserved(payload)
    assert len((await world.take(records)).stale) == len(records)


async def test_workers_that_do_the_same_at_the_same_time_do_it_once(world: World) -> None:
    rng = Random(7)
    payloads = [await world.place() for _ in range(6)]
    records = await executed(world, payloads)
    jumbled = rng.sample(records * 2, 2 * len(records))
    batches = [jumbled[start::5] for start in range(5)]
    await world.open(*payloads[:3])
    await asyncio.gather(*map(world.take, batches), world.open(*payloads[3:]))
    # What was written down while its block order was being opened has nobody who comes after it.
    await fill_gaps(world.databases, world.settings, world, gap=0)
    await asyncio.gather(*(world.fill() for _ in range(4)))
    for payload in payloads:
        await world.conserved(payload)


async def test_a_partial_fill_is_pro_rata_with_the_largest_remainders(world: World) -> None:
    payload = await world.place()
    await world.open(payload)
    await world.send(of(payload, 1, "FILL", 30, "100.01"))
    await world.fill()
    fills = await world.fills(payload)
    assert {account: quantity for account, (quantity, _) in fills.items()} == {1: 12, 2: 2, 3: 1, 4: 15}
    assert all(amount == quantity * Decimal("100.01") for quantity, amount in fills.values())
    sql = "SELECT part_no, bucket, ordered, allotted FROM allocations.part WHERE block_order_id = %s ORDER BY part_no"
    parts = await world.rows("allocations", sql, payload["block_order_id"])
    assert parts == [(0, 0, 47, 14), (1, 0, 3, 1), (2, 1, 50, 15)]


async def test_what_is_taken_back_before_and_after_a_snapshot_is_gone(world: World) -> None:
    payload = await world.place()
    await world.open(payload)
    await world.send(
        of(payload, 1, "FILL", 10, "99"), of(payload, 2, "BUST", ref_seq=1), of(payload, 3, "FILL", 60, "101")
    )
    await world.fill()
    assert (await world.block(payload))[:3] == (60, Decimal(6060), 60)
    await world.send(of(payload, 4, "CORRECT", 50, "100", 3), of(payload, 5, "FILL", 20, "102"), of(payload, 6, "DONE"))
    await world.fill()
    assert await world.conserved(payload) == 70
    await world.send(of(payload, 7, "BUST", ref_seq=5), of(payload, 8, "CORRECT", 51, "100", 4))
    await world.fill()
    assert await world.conserved(payload) == 51
    sql = """
        SELECT kind, quantity, from_seq, to_seq FROM allocations.snapshot WHERE block_order_id = %s
         ORDER BY snapshot_no
    """
    assert await world.rows("allocations", sql, payload["block_order_id"]) == [
        ("FILL", 60, 1, 3),
        ("REVERSAL", -60, 3, 3),
        ("FILL", 70, 4, 6),
        ("REVERSAL", -20, 5, 5),
        ("REVERSAL", -50, 4, 4),
        ("FILL", 51, 7, 8),
    ]
    ended = "SELECT array_agg(seq ORDER BY seq) FROM allocations.execution WHERE block_order_id = %s AND is_ended"
    assert await world.rows("allocations", ended, payload["block_order_id"]) == [([1, 3, 4, 5],)]


async def test_executions_wait_for_their_block_order_to_be_opened(world: World) -> None:
    payload = await world.place()
    outcome = await world.send(of(payload, 1, "FILL", 60, "100"), of(payload, 2, "DONE"))
    assert [*outcome.rejected, *outcome.stale, *world.events] == []
    await world.open(payload)
    await world.fill()
    assert await world.conserved(payload) == 60
    await world.open(payload)
    assert await world.conserved(payload) == 60


async def test_what_can_have_no_effect_is_a_dead_letter_also_when_it_comes_again(world: World) -> None:
    payload = await world.place()
    await world.open(payload)
    made = [
        of(payload, 1, "FILL", 60, "100"),
        of(payload, 2, "FILL", 41, "100"),
        of(payload, 3, "FILL", 5, "-1"),
        of(payload, 4, "FILL", 0, "100"),
        of(payload, 5, "FILL", 1, "NaN"),
        of(payload, 6, "BUST", ref_seq=2),
        of(payload, 7, "DONE"),
        of(payload, 8, "FILL", 1, "100"),
    ]
    reasons = ["over_filled", "bad_price", "bad_quantity", "bad_price", "unknown_execution", "after_done"]
    for _ in range(2):
        outcome = await world.send(*made)
        assert [rejection.reason for rejection in outcome.rejected] == reasons
    sql = "SELECT rejected FROM allocations.execution WHERE block_order_id = %s AND rejected IS NOT NULL ORDER BY seq"
    assert [row[0] for row in await world.rows("allocations", sql, payload["block_order_id"])] == reasons
    await world.fill()
    assert await world.conserved(payload) == 60


async def test_an_execution_of_no_block_order_is_a_dead_letter_and_holds_nobody_up(world: World) -> None:
    payload = await world.place()
    await world.open(payload)
    stranger = execution(1, "FILL", 1, "100", of=uuid4())
    outcome = await world.send(stranger, of(payload, 1, "FILL", 100, "100"))
    assert [rejection.reason for rejection in outcome.rejected] == ["unknown_order"]
    assert (await world.block(payload))[0] == 100
    sql = "SELECT count(*) FROM allocations.execution WHERE block_order_id = %s"
    assert await world.rows("allocations", sql, stranger.block_order_id) == [(0,)]


async def test_a_number_that_comes_with_another_content_is_a_conflict(world: World) -> None:
    payload = await world.place()
    await world.open(payload)
    # Of one batch, of a later one, and of one that still waits behind a gap.
    outcome = await world.send(of(payload, 1, "FILL", 10, "100"), of(payload, 1, "FILL", 11, "100"))
    assert [rejection.reason for rejection in outcome.rejected] == ["execution_conflict"]
    await world.send(of(payload, 3, "DONE"))
    outcome = await world.send(of(payload, 1, "FILL", 12, "100"), of(payload, 3, "FILL", 12, "100"))
    assert [rejection.reason for rejection in outcome.rejected] == ["execution_conflict"] * 2
    await world.send(of(payload, 2, "FILL", 5, "100"))
    await world.fill()
    assert await world.conserved(payload) == 15


async def test_what_the_feed_lost_is_fetched_from_trades(world: World) -> None:
    gap, silent, late = [await world.place() for _ in range(3)]
    records = await executed(world, [gap, silent, late])
    await world.open(gap, silent, late)
    of_gap = [record for record in records if record.key == gap["block_order_id"].encode()]
    await world.take([*of_gap[:1], *of_gap[2:]])
    assert (await world.block(gap))[3:] == (1, False)
    publish = world.settings, world
    assert await fill_gaps(world.databases, *publish) == 0
    assert await fill_gaps(world.databases, *publish, gap=0) == 1
    assert (await world.block(gap))[3:] == (len(of_gap), True)
    missing = len(records) - len(of_gap)
    assert await fill_gaps(world.databases, *publish, silence=0) == missing
    assert await fill_gaps(world.databases, *publish, gap=0, silence=0) == 0
    await world.fill()
    for payload in (gap, silent, late):
        await world.conserved(payload)


async def test_a_cancel_ends_an_order_whichever_comes_first(world: World) -> None:
    before, after, never = [await world.place() for _ in range(3)]
    market, ticker = Market(), Ticker(world.databases, world.settings)
    ids = {name: UUID(payload["block_order_id"]) for name, payload in zip("ban", (before, after, never), strict=True)}
    cancels = {name: cancel_sent(each, UUID(before["rebalance_id"])).payload for name, each in ids.items()}
    await world.step(market, cancels["b"], cancels["n"])
    await world.step(market, cancels["b"])
    await world.step(market, before, after)
    await world.step(market, before)
    await ticker.round()
    await world.step(market, cancels["a"])
    while await ticker.round():
        pass
    sql = "SELECT kind, seq FROM trades.execution WHERE block_order_id = %s ORDER BY seq"
    assert await world.rows("trades", sql, ids["b"]) == [("DONE", 1)]
    assert await world.rows("trades", sql, ids["n"]) == []
    of_after = await world.rows("trades", sql, ids["a"])
    assert [seq for _, seq in of_after] == [1, 2, 3, 4, 5]
    assert [kind for kind, _ in of_after].index("DONE") == 4
    sql = "SELECT status, quantity FROM trades.market_order WHERE block_order_id = ANY(%s) ORDER BY quantity"
    assert await world.rows("trades", sql, list(ids.values())) == [
        ("CANCELLED", 100),
        ("CANCELLED", 100),
        ("CANCELLED", None),
    ]


async def test_customer_orders_that_are_not_the_block_order_open_nothing(world: World) -> None:
    payload = await world.place()
    with pytest.raises(ValueError, match="customer orders of 100 shares, not 99"):
        await world.open({**payload, "quantity": 99})
    sql = "SELECT count(*) FROM allocations.block_order WHERE block_order_id = %s"
    assert await world.rows("allocations", sql, payload["block_order_id"]) == [(0,)]
