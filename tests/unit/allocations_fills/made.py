"""Block orders and executions, as the tests of fills make them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from streams_app.changefeed import Record
from streams_app.systems.allocations.messages import EXECUTIONS
from streams_app.systems.allocations.model import TICK, Block, Execution, ExecutionKind, Side, named

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
    return Execution(of, seq, ExecutionKind(kind), quantity, Decimal(price).quantize(TICK), at, ref_seq)


def row_of(made: Execution) -> dict[str, Any]:
    """Its row, as Debezium's connector of executions writes it."""
    return {
        "block_order_id": str(made.block_order_id),
        "seq": made.seq,
        "execution_id": str(made.execution_id),
        "kind": made.kind,
        "ref_seq": made.ref_seq,
        "quantity": made.quantity,
        "price": str(made.price),
        "executed_at": made.executed_at.isoformat().replace("+00:00", "Z"),
    }


def record_of(row: dict[str, Any], offset: int = 0) -> Record:
    """The record of a row that was inserted, as that connector writes it."""
    source = {"lsn": 1000, "ts_ms": 1, "ts_us": 1500, "table": "execution", "schema": "trades", "name": "executions"}
    value = {"before": None, "after": row, "source": source, "op": "c", "ts_ms": 2}
    return Record(EXECUTIONS, 2, offset, row["block_order_id"].encode(), orjson.dumps(value))
