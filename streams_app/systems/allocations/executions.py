"""What executions do to a block order, in their sequence: what stands, what has no effect, which snapshots are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from streams_app.systems.allocations.model import Block, Execution, ExecutionKind, Snapshot, SnapshotKind
from streams_app.systems.allocations.pricing import average_price, fair_price, is_fair

#: No share costs as much: amounts have room for what is below.
PRICE_LIMIT: Final = Decimal(10**9)


@dataclass(frozen=True, slots=True)
class Applied:
    """What executions made of a block order.

    `ended` are the sequence numbers of those that were taken back, `rejected` those without effect, each with its
    reason; `snapshots` are due now, in order.
    """

    block: Block
    ended: list[int]
    rejected: list[tuple[int, str]]
    snapshots: list[Snapshot]


def fault(execution: Execution) -> str | None:
    """Why an execution can have no effect, whatever the block order: bad_quantity, bad_price."""
    if execution.kind is ExecutionKind.FILL or execution.kind is ExecutionKind.CORRECT:
        if execution.quantity <= 0:
            return "bad_quantity"
        if not (execution.price.is_finite() and 0 < execution.price < PRICE_LIMIT):
            return "bad_price"
    return None


def apply(
    block: Block,
    executions: Sequence[Execution],
    known: Mapping[int, Execution],
    gone: Collection[int],
    snapshot_share: Decimal,
    band: Decimal,
) -> Applied:
    """Apply executions that follow the block order's `applied_seq` without gaps, at least one.

    `known` are the earlier ones that a BUST or CORRECT among them names and that stand, `gone` those of the named that
    were taken back. Rejected, which also counts as applied: what has a fault; over_filled, more than ordered;
    after_done, a FILL or DONE after DONE; unknown_execution and already_ended, of what a BUST or CORRECT names. The one
    that a rejected CORRECT names stands.

    What a snapshot gave to the accounts and is taken back makes a REVERSAL at once. A FILL snapshot comes last, of all
    that stands and was not given yet: when that is `snapshot_share` of the order, or no more can come.
    """
    course = _Course(block, known, gone, band)
    for execution in executions:
        reason = course.take(execution)
        if reason is not None:
            course.rejected.append((execution.seq, reason))
    return course.end(executions[-1].seq, snapshot_share)


class _Course:
    """A block order on its way through executions."""

    def __init__(self, block: Block, known: Mapping[int, Execution], gone: Collection[int], band: Decimal) -> None:
        self._before = block
        self._live = dict(known)
        self._gone = set(gone)
        self._band = band
        self._executed, self._amount = block.executed, block.amount
        self._allotted, self._allotted_amount = block.allotted, block.allotted_amount
        self._is_done = block.is_done
        self._snapshots: list[Snapshot] = []
        self._ended: list[int] = []
        self.rejected: list[tuple[int, str]] = []

    def take(self, execution: Execution) -> str | None:
        """Apply one; returns why it has no effect, if so."""
        kind = execution.kind
        if kind is ExecutionKind.FILL or kind is ExecutionKind.DONE:
            if self._is_done:
                return "after_done"
            if kind is ExecutionKind.DONE:
                self._is_done = True
                return None
            return self._add(execution, None)
        named = execution.ref_seq
        old = self._live.get(named) if named is not None else None
        if old is None:
            return "already_ended" if named in self._gone else "unknown_execution"
        if kind is ExecutionKind.CORRECT:
            return self._add(execution, old)
        self._take_back(old)
        return None

    def _add(self, execution: Execution, instead_of: Execution | None) -> str | None:
        reason = fault(execution)
        if reason is not None:
            return reason
        freed = instead_of.quantity if instead_of is not None else 0
        if self._executed - freed + execution.quantity > self._before.ordered:
            return "over_filled"
        if instead_of is not None:
            self._take_back(instead_of)
        self._executed += execution.quantity
        self._amount += execution.amount
        self._live[execution.seq] = execution
        return None

    def _take_back(self, old: Execution) -> None:
        self._executed -= old.quantity
        self._amount -= old.amount
        del self._live[old.seq]
        self._gone.add(old.seq)
        self._ended.append(old.seq)
        if old.seq <= self._before.snapshot_seq:
            self._snapshot(SnapshotKind.REVERSAL, (old.seq, old.seq), -old.quantity, -old.amount)

    def _snapshot(self, kind: SnapshotKind, span: tuple[int, int], quantity: int, amount: Decimal) -> None:
        self._allotted += quantity
        self._allotted_amount += amount
        market_price = self._before.market_price
        average = average_price(amount, quantity)
        self._snapshots.append(
            Snapshot(
                self._before.snapshots + len(self._snapshots) + 1,
                kind,
                *span,
                quantity,
                amount,
                average,
                fair_price(market_price, self._allotted_amount, self._allotted, self._band),
                is_fair(average, market_price, self._band),
            )
        )

    def end(self, seq: int, snapshot_share: Decimal) -> Applied:
        """Take the FILL snapshot when it is due; `seq` is the last one's that was applied."""
        before, pending = self._before, self._executed - self._allotted
        snapshot_seq = before.snapshot_seq
        is_last = self._is_done or self._executed == before.ordered
        if pending and (is_last or pending >= snapshot_share * before.ordered):
            span = (snapshot_seq + 1, seq)
            self._snapshot(SnapshotKind.FILL, span, pending, self._amount - self._allotted_amount)
            snapshot_seq = seq
        block = replace(
            before,
            executed=self._executed,
            amount=self._amount,
            allotted=self._allotted,
            allotted_amount=self._allotted_amount,
            applied_seq=seq,
            snapshot_seq=snapshot_seq,
            snapshots=before.snapshots + len(self._snapshots),
            is_done=self._is_done,
        )
        return Applied(block, self._ended, self.rejected, self._snapshots)
