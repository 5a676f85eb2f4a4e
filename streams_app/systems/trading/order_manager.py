"""The order manager: decisions that are sure enough become orders, each with its event, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams_app import metrics
from streams_app.changefeed import Change, Op, RecordLike
from streams_app.databases import Regions
from streams_app.delivery.ports import Outcome
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError, RegionUnavailableError
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.messages import read_decision
from streams_app.systems.trading.model import Order, locality_of_symbol
from streams_app.systems.trading.rules import order_of
from streams_app.systems.trading.store import OrderStore

SYSTEM = "order_manager"
# Seconds that a batch may fail by conflicts and time-outs, before its decisions are tried apart.
RETRY_BUDGET = 60.0


@dataclass(frozen=True, slots=True)
class OrderChange(Change):
    """A decision that leads to an order, on its way through the delivery core."""

    order: Order


class OrderManager:
    """Writes the orders of decisions, in the region of their symbol."""

    system = SYSTEM
    # Decisions are known by their orders, which the database remembers.
    history = None

    def __init__(self, store: OrderStore, regions: Regions, settings: TradingSettings) -> None:
        self._store = store
        self._regions = regions
        self._settings = settings

    def decode(self, record: RecordLike) -> OrderChange | None:
        """The order that the decision in a record leads to, or None. Raises Undecodable and Rejected."""
        decision = read_decision(record)
        order = order_of(decision, self._settings)
        if order is None:
            return None
        return OrderChange(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=decision.symbol,
            version=None,
            op=Op.INSERT,
            before=None,
            after=None,
            headers=tuple(record.headers or ()),
            source_time=record.timestamp / 1000 if record.timestamp else None,
            table=None,
            region=None,
            key_parts=(),
            order=order,
        )

    def route(self, change: Change) -> str:
        """The region of the symbol."""
        return self._regions.of(locality_of_symbol(_order(change).symbol))

    def ended(self, change: Change) -> bool:
        """Symbols have no end."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Write orders. Raises RegionUnavailableError, FencedError, and what failed for good."""
        orders = [_order(change) for change in changes]
        new = await until_done(
            lambda: self._store.add(route, orders),
            what=f"{self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
            budget=RETRY_BUDGET,
        )
        metrics.EFFECTS.labels(SYSTEM, route, "order").inc(len(new))
        stale = []
        for change, order in zip(changes, orders, strict=True):
            if order.order_id in new:
                new.discard(order.order_id)
            else:
                stale.append(change)
        return Outcome(stale=stale)


def _order(change: Change) -> Order:
    assert isinstance(change, OrderChange)
    return change.order
