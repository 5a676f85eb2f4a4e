"""The executor sends each order once, whatever breaks and wherever it is cut off."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import orjson
import pytest

from streams_app.changefeed import Record, Undecodable
from streams_app.databases import Regions
from streams_app.delivery.ports import Outcome, Rejected
from streams_app.systems.trading import executor as module
from streams_app.systems.trading.exchange import ExchangeOrder, ExchangeRefusedError, UnknownOutcomeError
from streams_app.systems.trading.executor import OrderExecutor
from streams_app.systems.trading.model import Execution, OrderStatus, Side
from streams_app.systems.trading.order_events import OrderEvent, read_order_event
from streams_app.systems.trading.store import StoredOrder

REGIONS = Regions({"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)})
ORDERS = [UUID(int=n + 1) for n in range(3)]


def event(order_id: UUID, event_id: UUID | None = None, /, **changed: object) -> Record:
    """An event as the router publishes it."""
    payload = {"order_id": str(order_id), "symbol": "NQ", **changed}
    headers = {"event_id": event_id or UUID(int=order_id.int + 100), "event_type": "OrderCreated"}
    raw = tuple((name, str(value).encode()) for name, value in headers.items())
    return Record("trading.orders", 0, order_id.int, str(order_id).encode(), orjson.dumps(payload), raw)


class Database:
    """Orders in memory; each call is one transaction, before and after which somebody else may run."""

    def __init__(self) -> None:
        self.orders = {
            name: StoredOrder(name, f"ord-{name.int}", "NQ", Side.BUY, 4, Decimal("10.5"), OrderStatus.NEW, None)
            for name in ORDERS
        }
        self.executions: dict[UUID, Execution] = {}
        #: How often an order is asked for before it can be seen.
        self.unseen: Counter[UUID] = Counter()

    async def take_up(self, region: str, events: Mapping[UUID, UUID]) -> dict[UUID, StoredOrder]:
        await asyncio.sleep(0)
        found = {name: self.orders[name] for name in events if name in self.orders and not self.unseen[name]}
        self.unseen.subtract(name for name in events if self.unseen[name])
        for name, order in found.items():
            if order.status is OrderStatus.NEW:
                self.orders[name] = replace(order, status=OrderStatus.SENT, taken_up_by=events[name])
        await asyncio.sleep(0)
        return found

    async def finish(self, region: str, executions: Mapping[UUID, Execution]) -> set[UUID]:
        await asyncio.sleep(0)
        new = {name for name in executions if self.orders[name].status is OrderStatus.SENT}
        for name in new:
            self.orders[name] = replace(self.orders[name], status=executions[name].status)
            self.executions[name] = executions[name]
        await asyncio.sleep(0)
        return new


class Market:
    """An exchange that fails as it is told: by attempt, before or after it has taken the order."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)
        self.placed: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.book: dict[str, Execution] = {}
        self.filled = 4

    async def place(self, order: ExchangeOrder) -> Execution:
        failure = self.failures.pop(0) if self.failures else ""
        await asyncio.sleep(0)
        if failure == "refuse":
            raise ExchangeRefusedError("never")
        if failure == "before":
            raise UnknownOutcomeError("before it was taken")
        name = order.client_order_id
        self.placed[name] += 1
        self.book.setdefault(name, Execution(name, OrderStatus.FILLED, f"x-{name}", self.filled, Decimal("10.25")))
        await asyncio.sleep(0)
        if failure == "after":
            raise UnknownOutcomeError("after it was taken")
        return self.book[name]

    async def find(self, client_order_id: str) -> Execution | None:
        self.asked[client_order_id] += 1
        await asyncio.sleep(0)
        return self.book.get(client_order_id)


class Patience:
    """No pause at all."""

    def pause(self, attempt: int, spread: float) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", Patience())


def changes(*records: Record) -> list[OrderEvent]:
    return [found for record in records if (found := read_order_event(record)) is not None]


async def run(database: Database, market: Market, *records: Record) -> Outcome:
    executor = OrderExecutor(database, REGIONS, market)  # type: ignore[arg-type]
    outcome = await executor.process("us-east", changes(*records))
    assert not executor.is_waiting
    return outcome


def statuses(database: Database) -> set[OrderStatus]:
    return {order.status for order in database.orders.values()}


async def test_orders_are_sent_and_what_became_of_them_is_written_down() -> None:
    database, market = Database(), Market()
    outcome = await run(database, market, *map(event, ORDERS))
    assert (outcome.rejected, outcome.stale) == ([], [])
    assert statuses(database) == {OrderStatus.FILLED}
    assert market.placed == Counter({f"ord-{name.int}": 1 for name in ORDERS})
    assert not market.asked


async def test_an_event_that_comes_again_is_stale() -> None:
    database, market = Database(), Market()
    first = await run(database, market, event(ORDERS[0]), event(ORDERS[0]))
    again = await run(database, market, event(ORDERS[0]))
    assert (len(first.stale), len(again.stale)) == (1, 1)
    assert market.placed == Counter({"ord-1": 1})


@pytest.mark.parametrize("failures", [("before",), ("after",), ("before", "before", "after")])
async def test_an_unknown_outcome_is_asked_about_before_the_order_is_sent_again(failures: tuple[str, ...]) -> None:
    database, market = Database(), Market(*failures)
    await run(database, market, event(ORDERS[0]))
    assert market.placed == Counter({"ord-1": 1})
    assert market.asked["ord-1"] == len(failures)
    assert database.orders[ORDERS[0]].status is OrderStatus.FILLED


async def test_cut_off_anywhere_and_done_again_each_order_is_sent_once() -> None:
    for steps in range(60):
        database, market = Database(), Market("after", "before")
        cut = asyncio.ensure_future(run(database, market, *map(event, ORDERS)))
        for _ in range(steps):
            await asyncio.sleep(0)
        finished = cut.done()
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        await run(database, market, *map(event, ORDERS))
        assert statuses(database) == {OrderStatus.FILLED}, steps
        assert market.placed == Counter({f"ord-{name.int}": 1 for name in ORDERS}), steps
        if finished:
            return
    raise AssertionError("never done")


async def test_executors_side_by_side_execute_each_order_once_by_the_exchanges_own_book() -> None:
    database, market = Database(), Market("after", "after")
    await asyncio.gather(*(run(database, market, *map(event, ORDERS)) for _ in range(3)))
    assert len(market.book) == len(ORDERS)
    assert statuses(database) == {OrderStatus.FILLED}


async def test_what_can_never_be_executed_is_rejected_and_its_neighbours_are_not() -> None:
    database, market = Database(), Market("refuse")
    outcome = await run(database, market, event(uuid4()), *map(event, ORDERS))
    assert [rejection.reason for rejection in outcome.rejected] == ["unknown_order", "exchange_refused"]
    assert [database.orders[name].status for name in ORDERS[1:]] == [OrderStatus.FILLED] * 2
    assert database.orders[ORDERS[0]].status is OrderStatus.SENT


async def test_an_order_that_can_be_seen_later_than_its_event_is_executed() -> None:
    database, market = Database(), Market()
    database.unseen[ORDERS[1]] = 3
    outcome = await run(database, market, *map(event, ORDERS))
    assert (outcome.rejected, outcome.stale) == ([], [])
    assert statuses(database) == {OrderStatus.FILLED}
    assert market.placed == Counter({f"ord-{name.int}": 1 for name in ORDERS})
    assert not market.asked


async def test_another_event_of_an_order_is_no_reason_to_send_it_again() -> None:
    database, market = Database(), Market("refuse")
    await run(database, market, event(ORDERS[0]))
    outcome = await run(database, market, event(ORDERS[0], uuid4()))
    assert [rejection.reason for rejection in outcome.rejected] == ["order_conflict"]


async def test_more_than_was_ordered_is_not_written_down() -> None:
    database, market = Database(), Market()
    market.filled = 5
    outcome = await run(database, market, event(ORDERS[0]))
    assert [rejection.reason for rejection in outcome.rejected] == ["bad_execution"]
    assert database.executions == {}


def test_other_events_and_changes_are_passed_over() -> None:
    other = event(ORDERS[0])
    headers = tuple((name, b"OrderAmended" if name == "event_type" else value) for name, value in other.headers)
    assert read_order_event(replace(other, headers=headers)) is None


def test_the_row_of_a_changefeed_is_the_same_event() -> None:
    payload = {"order_id": str(ORDERS[0]), "symbol": "NQ"}
    row = {
        "event_id": str(UUID(int=101)), "aggregate_type": "order", "aggregate_id": str(ORDERS[0]),
        "type": "OrderCreated", "payload": payload, "occurred_at": "2026-11-20T09:00:00Z", "region": "us-east",
    }  # fmt: skip
    value = {"after": row, "updated": "1763629200000000000.0000000000"}
    key = orjson.dumps([str(ORDERS[0])])
    found = read_order_event(Record("trading.orders", 0, 0, key, orjson.dumps(value)))
    wanted = read_order_event(event(ORDERS[0]))
    assert found is not None
    assert wanted is not None
    assert (found.event_id, found.order_id, found.locality) == (wanted.event_id, wanted.order_id, wanted.locality)


@pytest.mark.parametrize("changed", [{"order_id": str(uuid4())}, {"order_id": None}, {"symbol": None}, {"symbol": 7}])
def test_an_event_that_contradicts_itself_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises((Rejected, Undecodable)):
        read_order_event(event(ORDERS[0], **changed))
