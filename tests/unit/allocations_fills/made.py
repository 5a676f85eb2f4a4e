"""Block orders and executions, as the tests of fills make them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from streams_app.systems.allocations.model import Block, Execution, ExecutionKind, Side, named

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
REBALANCE = named("rebalance", "test")


def block(ordered: int = 100, **changed: Any) -> Block:
    """A block order that has just been opened."""
    fields = {"rebalance_id": REBALANCE, "security_id": 1, "side": Side.BUY, "trading_day": date(2026, 11, 20)}
    block_order_id = changed.pop("block_order_id", named("block", "test"))
    return Block(block_order_id, market_price=Decimal(100), ordered=ordered, **{**fields, **changed})


def execution(
    seq: int, kind: str, quantity: int = 0, price: str = "0", ref_seq: int | None = None, of: UUID | None = None
) -> Execution:
    """An execution of that block order, or of another one."""
    at = START + timedelta(seconds=seq)
    of = of or block().block_order_id
    return Execution(of, seq, ExecutionKind(kind), quantity, Decimal(price).quantize(Decimal("0.0001")), at, ref_seq)
