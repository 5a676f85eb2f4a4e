"""The rows that a verification reads, and how they are held against decisions and executions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from streams_app.systems.trading.model import Execution, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as its row says."""

    order_id: str
    client_order_id: str
    decision_id: str
    symbol: str
    side: str
    quantity: int
    price: Decimal
    confidence: Decimal
    status: str
    exchange_order_id: str | None
    filled_quantity: int | None
    filled_price: Decimal | None
    created_at: datetime

    def is_of(self, order: Order) -> bool:
        """Whether the row is what its decision asked for."""
        return (
            (self.order_id, self.decision_id) == (str(order.order_id), str(order.decision_id))
            and (self.symbol, self.side, self.quantity) == (order.symbol, order.side, order.quantity)
            and (self.price, self.confidence) == (order.price, order.confidence)
        )

    def says(self, execution: Execution) -> bool:
        """Whether the row tells of this execution."""
        return (self.status, self.exchange_order_id) == (execution.status, execution.exchange_order_id) and (
            self.status != OrderStatus.FILLED
            or (self.filled_quantity, self.filled_price) == (execution.quantity, execution.price)
        )
