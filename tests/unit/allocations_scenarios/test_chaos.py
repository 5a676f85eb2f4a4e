"""The plan and the judgement of the kill test of allocations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import pytest

from deploy.allocations_chaos.plan import FULL, KILLS, PARTS, PHASES, SHORT, WORKERS, Kind, Size, draw, due
from deploy.allocations_chaos.proof import Result
from deploy.allocations_chaos.run import trading_days
from streams_app.systems.allocations.progress_model import Progress
from streams_app.verification import Check, Finding, Harm, Report

ROWS = Progress(
    slices=40,
    routed=40,
    orders=900,
    booked=80,
    rebalances=2,
    ended=2,
    cancelled=1,
    blocks=30,
    executions=240,
    captured=240,
    due=80,
    filled=80,
)
DONE = Counter(kind for found in SHORT.rounds for _, kind in found)
RESULT = Result(SHORT, Report("allocations", (), {}), ROWS, fills=700, letters=0, done=DONE, seconds=41.7)


def test_a_seed_decides_the_faults() -> None:
    assert draw(1, FULL) == draw(1, FULL)
    assert draw(1, FULL) != draw(2, FULL)


def test_the_full_run_does_everything_in_every_phase_and_cancels_in_each() -> None:
    done = {fault for found in FULL.rounds for fault in found}
    assert done >= set(product(PHASES, KILLS))
    assert done >= set(product(PHASES, [Kind.CANCELLED]))


def test_the_short_run_kills_everything_once_and_a_worker_in_every_phase() -> None:
    assert {kind for found in SHORT.rounds for _, kind in found} == set(Kind)
    assert {phase for found in SHORT.rounds for phase, kind in found if kind is Kind.WORKER_KILLED} == set(PHASES)


@pytest.mark.parametrize("size", [SHORT, FULL])
def test_victims_are_of_their_kind(size: Size) -> None:
    for fault in (fault for found in draw(5, size) for fault in found):
        assert fault.victim in PARTS.get(fault.kind, WORKERS)


def test_a_fault_is_due_when_its_phase_is_under_way() -> None:
    [first, _] = draw(1, SHORT)
    assert due(first, []) == []
    assert {fault.phase for fault in due(first, ["routing", "booking"])} == {"routing", "booking"}
    assert due(first, list(PHASES)) == first


def test_days_are_business_days_a_week_apart() -> None:
    days = trading_days(4)
    assert all(day.weekday() < 5 for day in days)
    assert {(after - before).days for before, after in pairwise(days)} == {7}


def test_the_last_line() -> None:
    assert RESULT.proved
    assert RESULT.line() == (
        "ALLOCATIONS CHAOS OK rebalances=2 cancelled=1 orders=900 blocks=30 executions=240 fills=700 booked=80 kills=9 "
        "lost=0 duplicated=0 out_of_order=0 wrong=0 seconds=42"
    )


@pytest.mark.parametrize("name", ["rebalances", "ended", "cancelled", "captured", "filled", "booked"])
def test_rows_that_are_not_as_planned_fail_the_run(name: str) -> None:
    found = replace(RESULT, progress=replace(ROWS, **{name: getattr(ROWS, name) - 1}))
    assert found.unequal
    assert not found.proved
    assert found.line().startswith("ALLOCATIONS CHAOS FAILED ")


def test_a_dead_letter_fails_the_run() -> None:
    assert replace(RESULT, letters=1).unequal == ["dead letters: 1, expected 0"]


def test_a_fault_that_was_not_done_fails_the_run() -> None:
    assert replace(RESULT, done=DONE - Counter([Kind.CONNECT_KILLED])).unequal == ["kills: 8, expected 9"]


def test_what_the_verification_finds_fails_the_run() -> None:
    finding = Finding(Check("x", Harm.DUPLICATED, "X."), 3)
    found = replace(RESULT, report=Report("allocations", (finding,), {}))
    assert not found.proved
    assert " duplicated=3 " in found.line()


def test_a_run_without_fills_proves_nothing() -> None:
    assert not replace(RESULT, fills=0).proved
