"""Rebalances, block orders, executions and fills as plain data.

Quantities are whole shares. Money is Decimal with four decimals: a price times a quantity is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

# Ids of ours are made of what they stand for: given again, they are the same.
_NAMESPACE: Final = UUID("5d6a5b62-0c5e-5b0e-8a66-003a10ca7105")
#: The smallest amount of money: prices and amounts have four decimals.
TICK: Final = Decimal("0.0001")


def named(*parts: object) -> UUID:
    """The id of what these names together mean, the same wherever and whenever it is asked for."""
    return uuid5(_NAMESPACE, "/".join(map(str, parts)))


def block_order_id(rebalance_id: UUID, security_id: int, side: Side) -> UUID:
    """The id of the block order that a rebalance makes of a security."""
    return named("block", rebalance_id, security_id, side)


def execution_id(block_order_id: UUID | str, seq: int) -> UUID:
    """The id of an execution."""
    return named("execution", block_order_id, seq)


class Side(StrEnum):
    """Whether a position is to grow or to shrink."""

    BUY = "BUY"
    SELL = "SELL"


class ExecutionKind(StrEnum):
    """What the market says of a block order. They come in one sequence."""

    FILL = "FILL"
    #: An earlier FILL or CORRECT, named by `ref_seq`, is taken back.
    BUST = "BUST"
    #: It is taken back, and this one stands in its place.
    CORRECT = "CORRECT"
    #: No FILL comes any more: what is not executed is cancelled. BUST and CORRECT still may.
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Security:
    """What can be traded; orders of it are multiples of `lot_size`."""

    security_id: int
    symbol: str
    sector: str
    lot_size: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What is known of a security on a trading day: its lot, and the market's prices of the day."""

    lot_size: int
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    """An account with its positions (shares by security) and the weights that it should have."""

    account_id: int
    bucket: int
    cash: Decimal
    positions: dict[int, int]
    targets: dict[int, Decimal]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is to be traded for one account in one security."""

    account_id: int
    bucket: int
    security_id: int
    side: Side
    quantity: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One message of the market about a block order; `seq` numbers them from 1 without gaps.

    `quantity` and `price` are 0 of BUST and DONE; `ref_seq` is None but of BUST and CORRECT.
    """

    block_order_id: UUID
    seq: int
    kind: ExecutionKind
    quantity: int
    price: Decimal
    executed_at: datetime
    ref_seq: int | None = None

    @property
    def amount(self) -> Decimal:
        """Shares times price, exactly."""
        return self.quantity * self.price

    @property
    def execution_id(self) -> UUID:
        """Its identity."""
        return execution_id(self.block_order_id, self.seq)


@dataclass(frozen=True, slots=True)
class Block:
    """How far a block order has come in allocations.

    `executed` and `amount` are what stands of the executions up to `applied_seq`; `allotted` and `allotted_amount` what
    snapshots have given to the accounts, of executions up to `snapshot_seq`; `snapshots` counts them. `is_done`: DONE
    has come.
    """

    block_order_id: UUID
    rebalance_id: UUID
    security_id: int
    side: Side
    trading_day: date
    market_price: Decimal
    ordered: int
    executed: int = 0
    amount: Decimal = Decimal(0)
    allotted: int = 0
    allotted_amount: Decimal = Decimal(0)
    applied_seq: int = 0
    snapshot_seq: int = 0
    snapshots: int = 0
    is_done: bool = False


class SnapshotKind(StrEnum):
    """What a snapshot gives to the accounts."""

    FILL = "FILL"
    #: An execution that an earlier snapshot gave them is taken back: quantity and amount are negative.
    REVERSAL = "REVERSAL"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Executions `from_seq` to `to_seq` together, as they go to the accounts of a block order.

    `quantity` and `amount` are negative of a REVERSAL. `is_fair`: the average price is within the band around the
    market's.
    """

    number: int
    kind: SnapshotKind
    from_seq: int
    to_seq: int
    quantity: int
    amount: Decimal
    average_price: Decimal
    fair_price: Decimal
    is_fair: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What falls to one taker of a snapshot: shares and money, negative of a REVERSAL."""

    quantity: int
    amount: Decimal
