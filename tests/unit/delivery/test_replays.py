"""Plans of replays: never ahead, never outside the log, and what operators write as spans, times and partitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.delivery.replays import (
    Move,
    Place,
    ReplayError,
    Target,
    duration,
    moment,
    partition_numbers,
    plan,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def moved(target: Target, low: int, high: int, committed: int | None, at_time: int | None = None) -> tuple[int, int]:
    """From where to where one partition is moved."""
    [move] = plan([Place("t", 0, low, high, committed, at_time)], target)
    assert move.records == move.current - move.to
    return move.current, move.to


def test_the_beginning_is_that_of_the_log() -> None:
    assert moved(Target(), 10, 50, 40) == (40, 10)
    assert moved(Target(), 0, 0, None) == (0, 0)


@pytest.mark.parametrize("committed", [None, 5, 60])
def test_a_group_without_a_place_in_the_log_begins_anew(committed: int | None) -> None:
    assert moved(Target(), 10, 50, committed) == (10, 10)


def test_an_offset_is_taken_as_it_is() -> None:
    assert moved(Target(offset=20), 10, 50, 40) == (40, 20)
    assert moved(Target(offset=40), 10, 50, 40) == (40, 40)


def test_offsets_that_cannot_be_are_refused_together() -> None:
    places = [Place("t", 0, 10, 50, 40), Place("t", 1, 30, 50, 40), Place("t", 2, 0, 22, 5), Place("t", 3, 0, 9, 9)]
    with pytest.raises(ReplayError) as error:
        plan(places, Target(offset=20))
    assert str(error.value).splitlines() == [
        "t/1: offset 20 is outside the log, which has 30 to 50",
        "t/2: offset 20 would skip 15 records that are not done",
        "t/3: offset 20 is outside the log, which has 0 to 9",
    ]


def test_a_time_is_the_first_record_that_is_not_older() -> None:
    assert moved(Target(time=NOW), 10, 50, 40, at_time=25) == (40, 25)
    assert moved(Target(time=NOW), 10, 50, 40, at_time=None) == (40, 40)
    assert moved(Target(time=NOW), 10, 50, 40, at_time=45) == (40, 40)


@given(*(st.integers(0, 60) for _ in range(2)), st.none() | st.integers(0, 60), st.none() | st.integers(0, 60))
def test_no_plan_goes_ahead_or_outside(low: int, size: int, committed: int | None, at: int | None) -> None:
    place = Place("t", 0, low, low + size, committed, None if at is None else min(max(at, low), low + size))
    for target in (Target(), Target(time=NOW)):
        [move] = plan([place], target)
        assert low <= move.to <= move.current <= low + size
        assert isinstance(move, Move)


def test_spans() -> None:
    assert duration("2h") == timedelta(hours=2)
    assert duration("1d12h") == timedelta(hours=36)
    assert duration(" 90m ") == timedelta(minutes=90)
    assert duration("1d2h3m4s") == timedelta(days=1, hours=2, minutes=3, seconds=4)


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2h1d", "1.5h", "2 hours"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2h"):
        duration(text)


def test_times_without_a_zone_are_utc() -> None:
    assert moment("2026-03-01T12:00") == NOW
    assert moment("2026-03-01T13:00+01:00") == NOW
    assert moment("2026-03-01") == NOW.replace(hour=0)
    with pytest.raises(ValueError, match="ISO 8601"):
        moment("yesterday")


def test_partitions() -> None:
    assert partition_numbers("0,3-5, 9") == {0, 3, 4, 5, 9}


@pytest.mark.parametrize("text", ["", "a", "5-3", "1,", "-1", "1-", "1-2-3", "0-999999999"])
def test_what_are_no_partitions(text: str) -> None:
    with pytest.raises(ValueError, match="such as 0,3-5"):
        partition_numbers(text)
