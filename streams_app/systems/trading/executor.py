"""The order executor: each order reaches the exchange once, and what the exchange made of it is written down.

An order is SENT before it is sent, in a transaction of its own; whoever finds it SENT asks the exchange first. So a
crash between any two steps, or an answer that got lost, is resolved by the exchange's own books.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import UUID

from streams_app import metrics
from streams_app.backoff import Backoff
from streams_app.changefeed import Change, RecordLike
from streams_app.databases import Regions
from streams_app.delivery.ports import Outcome, Rejection
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError, RegionUnavailableError
from streams_app.systems.trading.exchange import Exchange, ExchangeOrder, ExchangeRefusedError, UnknownOutcomeError
from streams_app.systems.trading.model import FINAL, Execution, OrderStatus
from streams_app.systems.trading.order_events import OrderEvent, read_order_event
from streams_app.systems.trading.store import OrderStore, StoredOrder

logger = logging.getLogger(__name__)
T = TypeVar("T")
#: The reason of a dead letter, and its detail.
Obstacle: TypeAlias = tuple[str, str]

SYSTEM = "order_executor"
RETRY_BUDGET = 60.0
# An exchange that is away is asked again soon: orders wait for it.
_PATIENCE = Backoff(first=0.05, most=2.0)
# How often an order is looked for, over some seconds in all. The log is read as soon as it is flushed: an event may be
# here before the commit that wrote its order can be seen by others.
_LOOKS = 9


class OrderExecutor:
    """Executes the orders of events, in the region of their symbol."""

    system = SYSTEM
    # Events are known by their orders, which the database remembers.
    history = None

    def __init__(self, store: OrderStore, regions: Regions, exchange: Exchange) -> None:
        self._store = store
        self._regions = regions
        self._exchange = exchange
        #: Orders that the exchange owes an answer for.
        self._unanswered: set[UUID] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether the exchange owes an answer: then lack of progress is no illness of the worker."""
        return bool(self._unanswered)

    def decode(self, record: RecordLike) -> OrderEvent | None:
        """The event in a record, or None. Raises Undecodable and Rejected."""
        return read_order_event(record)

    def route(self, change: Change) -> str:
        """The region of the order's symbol."""
        return self._regions.of(_event(change).locality)

    def ended(self, change: Change) -> bool:
        """Nothing is remembered of an order but its row."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Execute orders. Raises RegionUnavailableError, FencedError, and what failed for good."""
        events: dict[UUID, OrderEvent] = {}
        for change in changes:
            events.setdefault(_event(change).order_id, _event(change))
        wanted = {order_id: event.event_id for order_id, event in events.items()}
        orders = await self._take_up(route, wanted)
        why = {order_id: _obstacle(orders.get(order_id), event) for order_id, event in events.items()}
        due = [order for order_id, order in orders.items() if not why[order_id] and order.status not in FINAL]
        executions: dict[UUID, Execution] = {}
        for order, answer in zip(due, await asyncio.gather(*map(self._execute, due)), strict=True):
            if isinstance(answer, Execution):
                executions[order.order_id] = answer
            else:
                why[order.order_id] = answer
        if executions:
            new = await self._until_done(route, lambda: self._store.finish(route, executions))
            for order_id in new:
                metrics.EFFECTS.labels(SYSTEM, route, executions[order_id].status.lower()).inc()
        stale, rejected = [], []
        for change in changes:
            order_id = _event(change).order_id
            if found := why[order_id]:
                rejected.append(Rejection(change, *found))
            elif executions.pop(order_id, None) is None:
                stale.append(change)
        return Outcome(rejected, stale=stale)

    async def _take_up(self, route: str, wanted: Mapping[UUID, UUID]) -> dict[UUID, StoredOrder]:
        """The orders of events (order id → event id) as they were, without those that are nowhere to be seen."""
        orders: dict[UUID, StoredOrder] = {}
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PATIENCE.pause(look, random.random()))  # noqa: S311 (spread, not secrecy)
            unseen = {order_id: event_id for order_id, event_id in wanted.items() if order_id not in orders}
            orders |= await self._until_done(route, partial(self._store.take_up, route, unseen))
            if len(orders) == len(wanted):
                break
        return orders

    async def _execute(self, order: StoredOrder) -> Execution | Obstacle:
        """What the exchange makes of an order, however long it takes to hear it; or why it is none."""
        wanted = ExchangeOrder(order.client_order_id, order.symbol, order.side, order.quantity, order.price)
        ask, attempt = order.status is OrderStatus.SENT, 0
        try:
            while True:
                try:
                    answer = await self._exchange.find(wanted.client_order_id) if ask else None
                    answer = answer or await self._exchange.place(wanted)
                    break
                except UnknownOutcomeError as error:
                    ask, attempt = True, attempt + 1
                    if not self._unanswered:
                        # One line for all that wait: an exchange that is away must not fill the disk with its log.
                        logger.warning("order %s: %s; it is asked again", wanted.client_order_id, error)
                    self._unanswered.add(order.order_id)
                    await asyncio.sleep(_PATIENCE.pause(attempt, random.random()))  # noqa: S311 (spread, not secrecy)
        except ExchangeRefusedError as error:
            return "exchange_refused", str(error)
        finally:
            self._unanswered.discard(order.order_id)
        if answer.status is OrderStatus.FILLED and not 1 <= answer.quantity <= order.quantity:
            return "bad_execution", f"{answer.quantity} of {order.quantity} filled"
        return answer

    async def _until_done(self, route: str, operation: Callable[[], Awaitable[T]]) -> T:
        return await until_done(
            operation,
            what=f"{self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
            budget=RETRY_BUDGET,
        )


def _obstacle(order: StoredOrder | None, event: OrderEvent) -> Obstacle | None:
    """Why an event can lead to no execution."""
    if order is None:
        return "unknown_order", f"there is no order {event.order_id}"
    if order.taken_up_by not in (None, event.event_id):
        return "order_conflict", f"order {event.order_id} was sent for event {order.taken_up_by}"
    return None


def _event(change: Change) -> OrderEvent:
    assert isinstance(change, OrderEvent)
    return change
