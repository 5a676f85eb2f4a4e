"""The proof over the topics: silent about what is right, and loud about each thing that can be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest

from streams_app.changefeed import Record
from streams_app.delivery.ports import Rejected
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.messages import order_payload, write_decision
from streams_app.systems.trading.model import TIMEFRAMES, Execution, Order, OrderStatus
from streams_app.systems.trading.processor import step
from streams_app.systems.trading.recompute import Place
from streams_app.systems.trading.rules import order_of
from streams_app.systems.trading.verify import check_exchange
from streams_app.systems.trading.verify_rows import OrderRow
from streams_app.systems.trading.verify_topics import OnTopics
from tests.unit.trading.made import record, signal

SETTINGS = TradingSettings(window=4, confidence_threshold=Decimal("0.7"))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SENT = int(NOW.timestamp() * 1000) - 600_000


@dataclass
class Story:
    """Everything that topics and databases hold, as it should be; tests change what they are about."""

    signals_: list[Record] = field(default_factory=list)
    decisions_: list[Record] = field(default_factory=list)
    orders_: list[Record] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)
    rows: dict[str, OrderRow] = field(default_factory=dict)
    outbox: dict[str, datetime] = field(default_factory=dict)
    complete: bool = True

    async def are_complete(self) -> bool:
        return self.complete

    async def signals(self) -> AsyncIterator[Record]:
        for each in self.signals_:
            yield each

    async def decisions(self) -> AsyncIterator[Record]:
        for each in self.decisions_:
            yield each

    async def orders(self) -> AsyncIterator[Record]:
        for each in self.orders_:
            yield each

    async def letters(self) -> set[Place]:
        return self.places

    async def offended(self) -> set[str]:
        """The names of the checks that found something."""
        found = OnTopics(SETTINGS, NOW.timestamp(), NOW - timedelta(days=6))
        await found.read(self, self.rows, self.outbox)
        return {finding.check.name for finding in found.findings(3) if finding.violations}


def row_of(order: Order) -> OrderRow:
    names = str(order.order_id), order.client_order_id, str(order.decision_id)
    filled = OrderStatus.FILLED, f"x-{order.client_order_id}", order.quantity, order.price, NOW
    return OrderRow(*names, order.symbol, order.side, order.quantity, order.price, order.confidence, *filled)


def event_of(order: Order, offset: int) -> Record:
    headers = {"event_id": str(order.event_id), "event_type": "OrderCreated"}
    raw = tuple((name, value.encode()) for name, value in headers.items())
    value = orjson.dumps(order_payload(order, "us-east"))
    return Record("trading.orders", 0, offset, str(order.order_id).encode(), value, raw, SENT)


@pytest.fixture
def story() -> Story:
    """Two symbols whose prices rise and fall; every third signal is there twice, some cannot be used."""
    made, state = Story(), dict[bytes, bytes]()
    for number in range(24):
        timeframe = list(TIMEFRAMES)[number % 3]
        each = signal(number, str(100 + abs(12 - number)), "ES" if number % 2 else "NQ", timeframe)
        wrong = {"price": "NaN"} if number % 8 == 7 else {}
        for _ in range(2 if number % 3 == 0 else 1):
            kept = replace(record(each, len(made.signals_), **wrong), timestamp=SENT)
            made.signals_.append(kept)
            take(made, kept, state)
    assert made.rows
    return made


def take(made: Story, kept: Record, state: dict[bytes, bytes]) -> None:
    try:
        decision = step(kept, state, SETTINGS)
    except Rejected:
        made.places.add((kept.topic, kept.partition, kept.offset))
        return
    if decision is None:
        return
    key = decision.symbol.encode()
    made.decisions_.append(
        Record("trading.decisions", 0, len(made.decisions_), key, write_decision(decision), (), SENT)
    )
    order = order_of(decision, SETTINGS)
    if order is not None:
        made.rows[order.client_order_id] = row_of(order)
        made.orders_.append(event_of(order, len(made.orders_)))
        made.outbox[str(order.event_id)] = NOW - timedelta(minutes=10)


async def test_what_is_right_offends_nobody(story: Story) -> None:
    assert await story.offended() == set()


def changed_decision(story: Story, **fields: object) -> None:
    last = story.decisions_[-1]
    story.decisions_[-1] = replace(last, value=orjson.dumps(orjson.loads(last.value or b"") | fields))


def changed_row(story: Story, **fields: object) -> None:
    name, row = next(iter(story.rows.items()))
    story.rows[name] = replace(row, **fields)  # type: ignore[arg-type]


PLANTS: list[tuple[str, Callable[[Story], object]]] = [
    ("refused_are_dead_letters", lambda s: s.places.pop()),
    ("refused_are_dead_letters", lambda s: s.places.add(("trading.signal.1m", 0, 0))),
    ("signals_are_decided", lambda s: s.signals_.append(replace(record(signal(30, "5")), timestamp=SENT))),
    ("signals_are_decided", lambda s: s.decisions_.pop()),
    ("decisions_are_made_once", lambda s: s.decisions_.append(s.decisions_[0])),
    ("decisions_follow_from_signals", lambda s: changed_decision(s, confidence="0.6999")),
    ("decisions_follow_from_signals", lambda s: changed_decision(s, side="HOLD")),
    ("decisions_follow_from_signals", lambda s: changed_decision(s, sequence=99)),
    ("decisions_follow_from_signals", lambda s: changed_decision(s, windows={})),
    ("decisions_follow_from_signals", lambda s: changed_decision(s, price="NaN")),
    ("decisions_follow_from_signals", lambda s: s.signals_.pop(2)),
    ("decisions_follow_from_signals", lambda s: s.decisions_.insert(0, s.decisions_.pop())),
    ("decisions_lead_to_orders", lambda s: s.rows.popitem()),
    ("orders_follow_from_decisions", lambda s: changed_row(s, quantity=99)),
    ("orders_follow_from_decisions", lambda s: changed_row(s, price=Decimal(1))),
    ("orders_follow_from_decisions", lambda s: s.rows.update(other=replace(next(iter(s.rows.values()))))),
    ("events_are_published", lambda s: s.orders_.pop()),
    ("events_are_published_once", lambda s: s.orders_.append(s.orders_[0])),
    ("published_events_have_orders", lambda s: s.rows.popitem()),
]


@pytest.mark.parametrize(("check", "plant"), PLANTS, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_is_planted_is_found(story: Story, check: str, plant: Callable[[Story], object]) -> None:
    plant(story)
    assert check in await story.offended()


async def test_what_is_young_may_be_on_its_way(story: Story) -> None:
    late = int(NOW.timestamp() * 1000) + 1
    story.signals_.append(replace(record(signal(30, "5"), 99), timestamp=late))
    story.outbox["of a moment ago"] = NOW + timedelta(seconds=1)
    assert await story.offended() == set()


async def test_without_the_beginning_nothing_is_worked_out_again_and_the_rest_is_checked(story: Story) -> None:
    del story.signals_[:10]
    story.complete = False
    assert await story.offended() == set()
    story.orders_.append(story.orders_[0])
    assert await story.offended() == {"events_are_published_once"}


def executed(row: OrderRow) -> Execution:
    assert row.exchange_order_id is not None
    return Execution(
        row.client_order_id, OrderStatus(row.status), row.exchange_order_id, row.quantity, row.filled_price
    )


def names(story: Story, before: list[Execution], after: list[Execution]) -> set[str]:
    return {finding.check.name for finding in check_exchange(story.rows, before, after, 3) if finding.violations}


def test_the_exchange_and_the_databases_say_the_same(story: Story) -> None:
    right = [executed(row) for row in story.rows.values()]
    assert names(story, right, right) == set()
    assert names(story, right, right[1:]) == {"executions_are_the_exchanges"}
    assert names(story, right, [replace(right[0], price=Decimal(7)), *right[1:]]) == {"executions_are_the_exchanges"}
    assert names(story, right, [*right, right[0]]) == {"orders_are_executed_once"}
    strange = replace(right[0], client_order_id="ord-x")
    assert names(story, [*right, strange], [*right, strange]) == {"exchange_orders_are_ours"}
    # Placed after the databases were read.
    assert names(story, right, [*right, strange]) == set()
