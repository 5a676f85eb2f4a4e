"""The simulated market: it takes orders and cancels, and executes what it has, some pieces of many orders a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import Event
from streams_app.systems.allocations.market_plan import Piece, pieces
from streams_app.systems.allocations.messages import MARKET_ORDERS, ORDER_SENT, Payload
from streams_app.systems.allocations.model import ExecutionKind, named

SQL = Statements(Path(__file__).with_name("market.sql"))

_DONE: Final = Piece(ExecutionKind.DONE)


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that the market works on, as its row says."""

    block_order_id: UUID
    quantity: int
    market_price: Decimal
    cancel_requested: bool
    next_piece: int
    next_seq: int


class Market:
    """The step that takes orders and cancels in, whichever of an order's two comes first."""

    name: StepName = "market"
    domain: DomainName = "trades"
    topic = MARKET_ORDERS

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Write orders and cancels down; the rounds of the market do the rest."""
        orders = {data["block_order_id"]: data for data in payloads if data["type"] == ORDER_SENT}
        cancels = {data["block_order_id"] for data in payloads if data["type"] != ORDER_SENT}
        # Rows in one order everywhere: whoever waits for one holds none that comes after it.
        if orders:
            await connection.execute(SQL["receive"], _columns([orders[key] for key in sorted(orders)]))
        if cancels:
            await connection.execute(SQL["cancel"], {"ids": sorted(cancels)})
        return []


class Ticker:
    """The market's clock: every round executes some pieces of the orders that have waited longest."""

    def __init__(self, databases: Databases, settings: AllocationSettings) -> None:
        self._databases = databases
        self._settings = settings.market

        # An order is planned anew in each of its rounds, by whichever worker comes to it.
        @lru_cache(maxsize=10 * self._settings.orders)
        def plan(block_order_id: UUID, quantity: int, price: Decimal) -> list[Piece]:
            return pieces(block_order_id, quantity, price, self._settings)

        self._plan = plan

    async def round(self) -> int:
        """Execute the next pieces; returns how many executions were written. Raises what psycopg raises, and
        RegionUnavailableError."""
        return await in_transaction(self._databases, "trades", self._round)

    async def _round(self, connection: Connection) -> int:
        rows = await (await connection.execute(SQL["take_working"], {"orders": self._settings.orders})).fetchall()
        due = [(order, self._next(order)) for order in (WorkingOrder(*row) for row in rows)]
        if due:
            async with connection.pipeline():
                await connection.execute(SQL["execute"], _executions(due))
                await connection.execute(SQL["advance"], _progress(due))
        return sum(len(executed) for _, executed in due)

    def _next(self, order: WorkingOrder) -> list[Piece]:
        if order.cancel_requested:
            return [_DONE]
        plan = self._plan(order.block_order_id, order.quantity, order.market_price)
        return plan[order.next_piece : order.next_piece + self._settings.pieces_a_round]


def _columns(orders: Sequence[Payload]) -> dict[str, Any]:
    return {
        "ids": [data["block_order_id"] for data in orders],
        "execution_ids": [_execution_id(data["block_order_id"], 1) for data in orders],
        "security_ids": [data["security_id"] for data in orders],
        "sides": [data["side"] for data in orders],
        "quantities": [data["quantity"] for data in orders],
        "prices": [data["market_price"] for data in orders],
    }


def _executions(due: Sequence[tuple[WorkingOrder, Sequence[Piece]]]) -> dict[str, Any]:
    rows = [
        (order.block_order_id, seq, piece)
        for order, executed in due
        for seq, piece in enumerate(executed, start=order.next_seq)
    ]
    return {
        "ids": [block_order_id for block_order_id, _, _ in rows],
        "seqs": [seq for _, seq, _ in rows],
        "execution_ids": [_execution_id(block_order_id, seq) for block_order_id, seq, _ in rows],
        "kinds": [piece.kind.value for _, _, piece in rows],
        "ref_seqs": [piece.ref_seq for _, _, piece in rows],
        "quantities": [piece.quantity for _, _, piece in rows],
        "prices": [piece.price for _, _, piece in rows],
    }


def _progress(due: Sequence[tuple[WorkingOrder, Sequence[Piece]]]) -> dict[str, Any]:
    return {
        "ids": [order.block_order_id for order, _ in due],
        "next_pieces": [order.next_piece + len(executed) for order, executed in due],
        "next_seqs": [order.next_seq + len(executed) for order, executed in due],
        "statuses": [_status(order, executed) for order, executed in due],
    }


def _status(order: WorkingOrder, executed: Sequence[Piece]) -> str:
    if executed[-1].kind is not ExecutionKind.DONE:
        return "WORKING"
    return "CANCELLED" if order.cancel_requested else "DONE"


def _execution_id(block_order_id: UUID | str, seq: int) -> UUID:
    return named("execution", block_order_id, seq)
