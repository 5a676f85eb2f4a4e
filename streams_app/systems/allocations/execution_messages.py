"""Executions as the changefeed of trades tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from streams_app.changefeed import Change, FeedSpec, Op, RecordLike, Resolved, decode
from streams_app.delivery.ports import Rejected
from streams_app.systems.allocations.model import TICK, Execution, ExecutionKind

_SPEC: Final = FeedSpec(key_column="block_order_id", max_value_bytes=65_536)
_KINDS: Final = {kind.value: kind for kind in ExecutionKind}
_NAMING: Final = frozenset({ExecutionKind.BUST, ExecutionKind.CORRECT})
# What the columns hold.
_INT4_MAX: Final = 2**31 - 1
_INT8_MAX: Final = 2**63 - 1
_PRICE_LIMIT: Final = Decimal(10**14)
_NOT_A_NUMBER: Final = Decimal("NaN")


@dataclass(frozen=True, slots=True)
class ExecutionChange(Change):
    """A new execution, on its way through the delivery core."""

    execution_id: UUID
    execution: Execution


def read_execution(record: RecordLike) -> ExecutionChange | None:
    """The execution in a record, or None. It is one that a row can hold: whether it makes sense is not asked.

    Raises Undecodable, and Rejected: bad_execution.
    """
    change = decode(record, _SPEC)
    if isinstance(change, Resolved) or change.after is None:
        return None
    try:
        execution_id, execution = UUID(change.after["execution_id"]), _execution(change.key, change.after)
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise Rejected("bad_execution", f"{type(error).__name__}: {error}"[:200]) from None
    return ExecutionChange(
        change.topic,
        change.partition,
        change.offset,
        change.key,
        # What a feed reads anew has one position in the log: the database knows executions by their numbers.
        None,
        Op.INSERT,
        None,
        None,
        change.headers,
        change.source_time,
        None,
        None,
        (),
        execution_id,
        execution,
    )


def _execution(key: str, row: Mapping[str, Any]) -> Execution:
    seq, quantity, ref_seq = row["seq"], row["quantity"], row["ref_seq"]
    kind, executed_at = _KINDS[row["kind"]], datetime.fromisoformat(row["executed_at"])
    if type(seq) is not int or not 0 < seq <= _INT4_MAX:
        raise ValueError("seq: expected a whole number above 0")
    if type(quantity) is not int or not -_INT8_MAX <= quantity <= _INT8_MAX:
        raise ValueError("quantity: expected a whole number")
    if (kind in _NAMING) != (ref_seq is not None):
        raise ValueError("ref_seq: expected of BUST and CORRECT, and of no other")
    if ref_seq is not None and (type(ref_seq) is not int or not 0 < ref_seq < seq):
        raise ValueError("ref_seq: expected an earlier seq")
    if executed_at.tzinfo is None:
        raise ValueError("executed_at: expected a time with its zone")
    return Execution(_block_order_id(key), seq, kind, quantity, _price(row["price"]), executed_at, ref_seq)


@lru_cache(maxsize=10_000)
def _block_order_id(key: str) -> UUID:
    """The id in a key: one block order's executions are many."""
    found = UUID(key)
    if str(found) != key:
        raise ValueError("block_order_id: not as ids are written")
    return found


def _price(value: Any) -> Decimal:
    """A price as numeric(18, 4) holds it. Of Debezium it is text, of CockroachDB a JSON number."""
    if type(value) is bool:
        raise TypeError("price: expected a decimal number")
    price = Decimal(str(value))
    exact = price.quantize(TICK)
    if exact.is_nan():
        return _NOT_A_NUMBER
    if exact != price or abs(exact) >= _PRICE_LIMIT:
        raise ValueError("price: more decimals or digits than a price has")
    return exact
