"""Writes orders with their events, and what becomes of them: one transaction a batch and region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts, words
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.systems.trading.messages import ORDER_CREATED, order_payload
from streams_app.systems.trading.model import Execution, Order, OrderStatus, Side

SQL = Statements(Path(__file__).with_name("orders.sql"))


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as its row says. `taken_up_by` is the event that the executor sent it for, None while it is NEW."""

    order_id: UUID
    client_order_id: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    status: OrderStatus
    taken_up_by: UUID | None


class OrderStore:
    """Orders and the outbox. Every method may be called again with the same arguments; raises what psycopg raises."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def add(self, region: str, orders: Sequence[Order]) -> set[UUID]:
        """Write orders that are not there, each with its event; returns the ids of those that are new."""
        by_id = {order.order_id: order for order in orders}
        arguments = _columns(region, list(by_id.values()))

        async def write(connection: Connection) -> set[UUID]:
            rows = await (await connection.execute(SQL["add"], arguments)).fetchall()
            return {UUID(order_id) for (order_id,) in rows}

        return await in_transaction(self._databases, region, write)

    async def take_up(self, region: str, events: Mapping[UUID, UUID]) -> dict[UUID, StoredOrder]:
        """The orders of events (order id → event id) as they were; those that were NEW are SENT from now on."""
        where = {"region": region, "ids": list(events)}

        async def take(connection: Connection) -> dict[UUID, StoredOrder]:
            rows = await (await connection.execute(SQL["known"], where)).fetchall()
            found = {row[0]: _stored(row) for row in rows}
            new = [order_id for order_id, order in found.items() if order.status is OrderStatus.NEW]
            if new:
                of_new = {"region": region, "ids": new, "event_ids": [events[order_id] for order_id in new]}
                await connection.execute(SQL["sent"], of_new)
            return found

        return await in_transaction(self._databases, region, take)

    async def finish(self, region: str, executions: Mapping[UUID, Execution]) -> set[UUID]:
        """Write what the exchange made of orders, by order id; returns those that were not final before."""
        arguments = {
            "region": region,
            "ids": list(executions),
            "statuses": [execution.status for execution in executions.values()],
            "exchange_order_ids": [execution.exchange_order_id for execution in executions.values()],
            "quantities": [execution.quantity or None for execution in executions.values()],
            "prices": [execution.price for execution in executions.values()],
            "reasons": [execution.reason for execution in executions.values()],
        }

        async def write(connection: Connection) -> set[UUID]:
            return {order_id for (order_id,) in await (await connection.execute(SQL["finish"], arguments)).fetchall()}

        return await in_transaction(self._databases, region, write)


def _columns(region: str, orders: Sequence[Order]) -> dict[str, Any]:
    return {
        "region": region,
        "type": ORDER_CREATED,
        "ids": words(order.order_id for order in orders),
        "client_order_ids": texts([order.client_order_id for order in orders]),
        "decision_ids": words(order.decision_id for order in orders),
        "event_ids": words(order.event_id for order in orders),
        "symbols": texts([order.symbol for order in orders]),
        "sides": words(order.side for order in orders),
        "quantities": numbers(order.quantity for order in orders),
        "prices": words(order.price for order in orders),
        "confidences": words(order.confidence for order in orders),
        "payloads": texts([orjson.dumps(order_payload(order, region)).decode() for order in orders]),
    }


def _stored(row: tuple[Any, ...]) -> StoredOrder:
    order_id, client_order_id, symbol, side, quantity, price, status, event_id = row
    return StoredOrder(order_id, client_order_id, symbol, Side(side), quantity, price, OrderStatus(status), event_id)
