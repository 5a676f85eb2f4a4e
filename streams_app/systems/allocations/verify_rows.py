"""The rows that a verification compares, and what executions lead to, worked out again in the plainest way. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

#: Shares and money.
Sum: TypeAlias = tuple[int, Decimal]
#: Block order, part, snapshot.
PartKey: TypeAlias = tuple[UUID, int, int]
#: Block order, bucket.
BucketKey: TypeAlias = tuple[UUID, int]

NOTHING: Final[Sum] = (0, Decimal(0))

# A price from which on an execution is taken to be wrong.
_PRICE_LIMIT: Final = Decimal(10**9)


class ExecutionRow(NamedTuple):
    """An execution as a row says, in trades or in allocations."""

    block_order_id: UUID
    seq: int
    execution_id: UUID
    kind: str
    ref_seq: int | None
    quantity: int
    price: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class BlockOrder:
    """A block order in orders."""

    block_order_id: UUID
    rebalance_id: UUID
    security_id: int
    side: str
    quantity: int
    accounts: int
    status: str
    executed: int
    amount: Decimal
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MarketOrder:
    """The same in trades; without a quantity where only its cancel has come."""

    block_order_id: UUID
    security_id: int | None
    side: str | None
    quantity: int | None
    status: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AllocationOrder:
    """The same in allocations."""

    block_order_id: UUID
    security_id: int
    side: str
    ordered: int
    executed: int
    amount: Decimal
    applied_seq: int
    is_done: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Customers:
    """The customer orders of a block order together, in holdings. In `weighed` each account has its own weight."""

    block_order_id: UUID
    rebalance_id: UUID
    security_id: int
    side: str
    accounts: int
    quantity: int
    weighed: Decimal


@dataclass(frozen=True, slots=True)
class Allocated:
    """The allocations of a block order and a bucket together: what was ordered, and what was filled."""

    block_order_id: UUID
    bucket: int
    accounts: int
    ordered: int
    weighed: Decimal
    filled: int
    amount: Decimal
    weighed_filled: Decimal
    weighed_amount: Decimal


@dataclass(frozen=True, slots=True)
class Course:
    """What a block order's executions lead to: `sums[n]` stands after the first n of them."""

    sums: list[Sum]
    last_at: datetime

    def at(self, seq: int) -> Sum | None:
        """What stands after the execution of that number, None where there is none so far."""
        return self.sums[seq] if 0 <= seq < len(self.sums) else None


def course_of(executions: Iterable[ExecutionRow], ordered: int) -> Course:
    """What executions in their sequence, one or more, lead to.

    A fill adds its shares and money, a bust takes back what it names, a correction does both. Without effect are: a
    fill after the end; what takes back something that does not stand; what is more than ordered; shares or prices that
    are none.
    """
    live: dict[int, Sum] = {}
    sums, is_done = [NOTHING], False
    for row in executions:
        last_at = row.executed_at
        (executed, amount), old = sums[-1], live.get(row.ref_seq or 0)
        new = (row.quantity, row.quantity * row.price) if row.kind in ("FILL", "CORRECT") else NOTHING
        left = (executed - old[0], amount - old[1]) if old is not None else (executed, amount)
        is_late = is_done and row.kind == "FILL"
        is_strange = row.kind in ("BUST", "CORRECT") and old is None
        is_wrong = row.kind in ("FILL", "CORRECT") and not (row.quantity > 0 and 0 < row.price < _PRICE_LIMIT)
        is_done = is_done or row.kind == "DONE"
        if is_late or is_strange or is_wrong or left[0] + new[0] > ordered:
            sums.append(sums[-1])
            continue
        live.pop(row.ref_seq or 0, None)
        if new is not NOTHING:
            live[row.seq] = new
        sums.append((left[0] + new[0], left[1] + new[1]))
    return Course(sums, last_at)
