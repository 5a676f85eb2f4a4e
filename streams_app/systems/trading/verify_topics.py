"""What the topics say, beside what the databases say: signals, decisions, events of orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

from streams_app.changefeed import Record
from streams_app.delivery.ports import Rejected
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.messages import read_decision
from streams_app.systems.trading.model import Decision, Order
from streams_app.systems.trading.order_events import read_order_event
from streams_app.systems.trading.recompute import Expected, Place, Signals
from streams_app.systems.trading.rules import order_of
from streams_app.systems.trading.verify_checks import (
    DECIDED_ONCE,
    DECISIONS_ARE_ORDERED,
    DECISIONS_FOLLOW,
    EVENTS_ARE_PUBLISHED,
    ORDERS_FOLLOW,
    PUBLISHED_ARE_OURS,
    PUBLISHED_ONCE,
    REFUSED_ARE_LETTERS,
    SIGNALS_ARE_DECIDED,
    TOPIC_CHECKS,
)
from streams_app.systems.trading.verify_rows import OrderRow
from streams_app.verification import Check, Finding, Violation

_TOPICS = "topics"


class Topics(Protocol):
    """The topics of trading, read to their ends without a group, committed records alone."""

    async def are_complete(self) -> bool:
        """Whether signals and decisions are all there, from the first on."""
        ...

    def signals(self) -> AsyncIterator[Record]:
        """The signals of all timeframes."""
        ...

    def decisions(self) -> AsyncIterator[Record]:
        """The decisions."""
        ...

    def orders(self) -> AsyncIterator[Record]:
        """The events of orders."""
        ...

    async def letters(self) -> set[Place]:
        """The places of all records that are dead letters."""
        ...


class OnTopics:
    """Reads the topics, and holds them against orders and events."""

    def __init__(self, settings: TradingSettings, until: float, since: datetime) -> None:
        """What came after `until` (epoch seconds) may still be on its way; events before `since` are expired."""
        self._settings = settings
        self._until = until * 1000
        self._since = since
        self._offenders: dict[Check, list[Violation]] = defaultdict(list)
        self.signals = Signals(settings)
        #: Whether the decisions could be worked out again.
        self.recomputed = False
        #: Decisions that are there once or more, and orders that they lead to, with the time of their record.
        self.decisions: dict[str, Decision] = {}
        self.wanted: dict[str, tuple[Order, int]] = {}
        #: Events by how often each is on the topic.
        self.events: dict[str, int] = defaultdict(int)

    async def read(self, topics: Topics, orders: Mapping[str, OrderRow], outbox: Mapping[str, datetime]) -> None:
        """Read all topics. `orders` are by client order id, `outbox` is the time of each event. Raises what `topics`
        raises."""
        self.recomputed = await topics.are_complete()
        # The later ones first: what they hold is in the earlier ones, which may have gone on meanwhile.
        events = [record async for record in topics.orders()]
        decisions = [record async for record in topics.decisions()]
        async for record in topics.signals():
            self.signals.take(record)
        self._compare_letters(await topics.letters())
        self._compare_decisions(decisions)
        self._compare_orders(orders)
        self._compare_events(events, orders, outbox)

    def findings(self, samples: int) -> list[Finding]:
        """What was found, check by check."""
        return [
            Finding(check, len(self._offenders[check]), tuple(self._offenders[check][:samples]))
            for check in TOPIC_CHECKS
            if self.recomputed or check not in (SIGNALS_ARE_DECIDED, DECISIONS_FOLLOW)
        ]

    def _found(self, check: Check, offender: str) -> None:
        self._offenders[check].append(Violation(_TOPICS, offender))

    def _compare_letters(self, letters: set[Place]) -> None:
        if not self.recomputed:
            return
        for place, reason in self.signals.refused.items():
            if place not in letters:
                self._found(REFUSED_ARE_LETTERS, f"{_shown(place)}: {reason}, and no dead letter")
        of_signals = {place for place in letters if place[0].startswith("trading.signal.")}
        for place in sorted(of_signals - self.signals.refused.keys()):
            self._found(REFUSED_ARE_LETTERS, f"{_shown(place)} is a dead letter, and nothing is wrong with it")

    def _compare_decisions(self, records: list[Record]) -> None:
        expected = Expected(self.signals, self._settings.window)
        for record in records:
            try:
                decision = read_decision(record)
            except Rejected as error:
                self._found(DECISIONS_FOLLOW, f"{_place(record)}: {error.reason}")
                continue
            name = str(decision.decision_id)
            if name in self.decisions:
                self._found(DECIDED_ONCE, f"{_place(record)}: decision {name}")
                continue
            self.decisions[name] = decision
            order = order_of(decision, self._settings)
            if order is not None:
                self.wanted[order.client_order_id] = order, record.timestamp
            if self.recomputed and expected.next(decision.symbol, decision.timeframe) != decision:
                self._found(DECISIONS_FOLLOW, f"{_place(record)}: decision {name}, number {decision.sequence}")
        for left in expected.rest() if self.recomputed else ():
            if left.sent <= self._until:
                signal = left.signal
                self._found(SIGNALS_ARE_DECIDED, f"signal {signal.signal_id} of {signal.symbol} {signal.timeframe}")

    def _compare_orders(self, orders: Mapping[str, OrderRow]) -> None:
        for name, (order, sent) in self.wanted.items():
            row = orders.get(name)
            if row is None and sent <= self._until:
                self._found(DECISIONS_ARE_ORDERED, f"decision {order.decision_id}")
            elif row is not None and not row.is_of(order):
                self._found(ORDERS_FOLLOW, f"order {name} is not what its decision asks for")
        if self.recomputed:
            for name in orders.keys() - self.wanted.keys():
                self._found(ORDERS_FOLLOW, f"order {name} has no decision")

    def _compare_events(
        self, records: list[Record], orders: Mapping[str, OrderRow], outbox: Mapping[str, datetime]
    ) -> None:
        known = {row.order_id for row in orders.values()}
        for record in records:
            event = read_order_event(record)
            if event is None:
                continue
            name = str(event.event_id)
            self.events[name] += 1
            if self.events[name] > 1:
                self._found(PUBLISHED_ONCE, f"{_place(record)}: event {name}")
            if str(event.order_id) not in known and record.timestamp <= self._until:
                self._found(PUBLISHED_ARE_OURS, f"{_place(record)}: order {event.order_id}")
        for name, occurred_at in outbox.items():
            due = self._since <= occurred_at and occurred_at.timestamp() * 1000 <= self._until
            if due and name not in self.events:
                self._found(EVENTS_ARE_PUBLISHED, f"event {name}")


def _place(record: Record) -> str:
    return _shown((record.topic, record.partition, record.offset))


def _shown(place: Place) -> str:
    topic, partition, offset = place
    return f"{topic}-{partition} offset {offset}"
