"""Executions of a block order: what stands of them, what is given to the accounts, whatever their batches."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.allocations.executions import Applied, apply
from streams_app.systems.allocations.model import Block, Execution, ExecutionKind, Snapshot, SnapshotKind
from tests.unit.allocations_fills.made import block, execution

QUARTER, BAND = Decimal("0.25"), Decimal("0.05")
DONE = ExecutionKind.DONE


class Book:
    """A block order, and what its database would know of its executions."""

    def __init__(self, ordered: int = 100) -> None:
        self.block: Block = block(ordered)
        self.executions: dict[int, Execution] = {}
        self.ended: set[int] = set()
        self.rejected: dict[int, str] = {}
        self.snapshots: list[Snapshot] = []

    def apply(self, *executions: Execution) -> Applied:
        standing = self.standing()
        applied = apply(self.block, executions, standing, self.ended, QUARTER, BAND)
        self.executions |= {each.seq: each for each in executions}
        self.block = applied.block
        self.ended |= set(applied.ended)
        self.rejected |= dict(applied.rejected)
        self.snapshots += applied.snapshots
        return applied

    def standing(self) -> dict[int, Execution]:
        """The executions that count: neither taken back nor without effect."""
        return {
            seq: each
            for seq, each in self.executions.items()
            if each.kind in (ExecutionKind.FILL, ExecutionKind.CORRECT)
            and seq not in self.ended
            and seq not in self.rejected
        }


def given_out(snapshots: Sequence[Snapshot]) -> list[tuple[str, int, Decimal]]:
    return [(each.kind.value, each.quantity, each.amount) for each in snapshots]


def test_a_snapshot_is_due_at_its_share_of_the_order() -> None:
    book = Book()
    assert book.apply(execution(1, "FILL", 24, "100")).snapshots == []
    [snapshot] = book.apply(execution(2, "FILL", 1, "101")).snapshots
    assert (snapshot.number, snapshot.kind, snapshot.from_seq, snapshot.to_seq) == (1, SnapshotKind.FILL, 1, 2)
    assert (snapshot.quantity, snapshot.amount, snapshot.average_price) == (25, Decimal(2501), Decimal("100.04"))
    assert snapshot.is_fair
    assert (book.block.snapshot_seq, book.block.applied_seq) == (2, 2)


def test_done_gives_the_rest() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 3, "100"))
    assert given_out(book.apply(execution(2, "DONE")).snapshots) == [("FILL", 3, Decimal(300))]
    assert book.block.is_done


def test_nothing_left_to_execute_gives_the_rest_before_done() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 90, "100"))
    assert given_out(book.apply(execution(2, "FILL", 10, "100")).snapshots) == [("FILL", 10, Decimal(1000))]
    assert book.apply(execution(3, "DONE")).snapshots == []


def test_a_bust_before_the_snapshot_leaves_no_trace_in_it() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 10, "100"), execution(2, "BUST", ref_seq=1))
    assert (book.block.executed, book.block.amount, book.ended) == (0, 0, {1})
    assert book.apply(execution(3, "DONE")).snapshots == []


def test_a_bust_after_the_snapshot_takes_back_what_it_gave() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 30, "101"), execution(2, "FILL", 10, "100"))
    assert given_out(book.apply(execution(3, "BUST", ref_seq=1)).snapshots) == [("REVERSAL", -30, Decimal(-3030))]
    assert (book.block.executed, book.block.allotted, book.block.allotted_amount) == (10, 10, Decimal(1000))


def test_a_correct_after_the_snapshot_is_a_reversal_and_a_new_fill() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 30, "101"))
    assert given_out(book.apply(execution(2, "CORRECT", 40, "99", 1)).snapshots) == [
        ("REVERSAL", -30, Decimal(-3030)),
        ("FILL", 40, Decimal(3960)),
    ]
    assert [each.number for each in book.snapshots] == [1, 2, 3]


def test_bust_and_correct_come_also_after_done() -> None:
    book = Book()
    book.apply(execution(1, "FILL", 10, "100"), execution(2, "FILL", 10, "100"), execution(3, "DONE"))
    book.apply(execution(4, "CORRECT", 9, "100", 1), execution(5, "BUST", ref_seq=2))
    assert (book.block.executed, book.block.allotted, book.block.is_done) == (9, 9, True)


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        (execution(4, "FILL", 71, "100"), "over_filled"),
        (execution(4, "FILL", 0, "100"), "bad_quantity"),
        (execution(4, "FILL", -1, "100"), "bad_quantity"),
        (execution(4, "FILL", 1, "-0.01"), "bad_price"),
        (execution(4, "FILL", 1, "0"), "bad_price"),
        (execution(4, "FILL", 1, "1000000000"), "bad_price"),
        (execution(4, "FILL", 1, "NaN"), "bad_price"),
        (execution(4, "BUST", ref_seq=3), "unknown_execution"),
        (execution(4, "BUST", ref_seq=1), "already_ended"),
        (execution(4, "CORRECT", 1, "100", 1), "already_ended"),
        (execution(4, "CORRECT", 101, "100", 2), "over_filled"),
        (execution(4, "CORRECT", 1, "-5", 2), "bad_price"),
    ],
)
def test_what_cannot_be_has_no_effect_but_is_passed(rejected: Execution, reason: str) -> None:
    book = Book()
    book.apply(execution(1, "FILL", 10, "100"), execution(2, "FILL", 30, "100"), execution(3, "BUST", ref_seq=1))
    before = book.block
    applied = book.apply(rejected)
    assert applied.rejected == [(4, reason)]
    assert (applied.block.executed, applied.block.amount, applied.block.applied_seq) == (
        before.executed,
        before.amount,
        4,
    )
    assert applied.ended == []
    # What a rejected one named stands.
    book.apply(execution(5, "BUST", ref_seq=2))
    assert book.block.executed == 0


@pytest.mark.parametrize("late", [execution(2, "FILL", 1, "100"), execution(2, "DONE")])
def test_after_done_comes_nothing_new(late: Execution) -> None:
    book = Book()
    assert book.apply(execution(1, "DONE"), late).rejected == [(2, "after_done")]


def test_prices_beyond_the_band_are_not_fair_and_are_given_all_the_same() -> None:
    [snapshot] = Book().apply(execution(1, "FILL", 50, "106")).snapshots
    assert (snapshot.is_fair, snapshot.fair_price, snapshot.amount) == (False, Decimal(105), Decimal(5300))


@st.composite
def courses(draw: st.DrawFn) -> list[Execution]:
    """Executions that a market might send, and some that none should; DONE last or in their midst."""
    made: list[Execution] = []
    for seq in range(1, draw(st.integers(1, 20)) + 1):
        kind = draw(st.sampled_from(["FILL", "FILL", "FILL", "BUST", "CORRECT", "DONE"] if seq > 1 else ["FILL"]))
        ref = draw(st.integers(1, seq - 1)) if kind in ("BUST", "CORRECT") else None
        has_size = kind in ("FILL", "CORRECT")
        quantity = draw(st.integers(-1, 45)) if has_size else 0
        price = draw(st.integers(-1, 20_000)) if has_size else 0
        made.append(execution(seq, kind, quantity, str(Decimal(price).scaleb(-2)), ref))
    return [*made, execution(len(made) + 1, "DONE")]


@hypothesis.settings(deadline=None)
@given(courses(), st.data())
def test_whatever_the_batches_the_end_is_the_same_and_exact(course: list[Execution], data: st.DataObject) -> None:
    whole, split = Book(), Book()
    whole.apply(*course)
    left = course
    while left:
        size = data.draw(st.integers(1, len(left)))
        applied = split.apply(*left[:size])
        left = left[size:]
        now, standing = split.block, split.standing().values()
        assert now.executed == sum(each.quantity for each in standing) <= now.ordered
        assert now.amount == sum(each.amount for each in standing)
        assert now.allotted == sum(each.quantity for each in split.snapshots)
        assert now.allotted_amount == sum(each.amount for each in split.snapshots)
        assert 0 <= now.allotted <= now.executed
        kinds = [each.kind for each in applied.snapshots]
        assert kinds == sorted(kinds, reverse=True)
        assert kinds.count(SnapshotKind.FILL) <= 1
        assert [each.number for each in split.snapshots] == list(range(1, now.snapshots + 1))
    for book in (whole, split):
        assert book.block.is_done
        assert (book.block.allotted, book.block.allotted_amount) == (book.block.executed, book.block.amount)
    assert (split.block.executed, split.block.amount) == (whole.block.executed, whole.block.amount)
    assert (split.ended, split.rejected) == (whole.ended, whole.rejected)


@hypothesis.settings(deadline=None)
@given(courses(), st.data())
def test_accounts_never_have_more_than_was_ordered(course: list[Execution], data: st.DataObject) -> None:
    book, have = Book(ordered=data.draw(st.integers(1, 120))), 0
    for each in course:
        for snapshot in book.apply(each).snapshots:
            have += snapshot.quantity
            assert 0 <= have <= book.block.ordered
