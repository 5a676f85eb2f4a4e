"""Which days stay, which may go, and which times lie in none that stays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import click
import pytest

from streams_app.systems.tracking.archive import of_table, stays
from streams_app.systems.tracking.archive_commands import ARCHIVE_COMMANDS, DaysParam
from streams_app.systems.tracking.days import Day, bounds, gaps, oldest_kept, read_partition, state, with_open

TODAY = date(2026, 3, 1)
LOG = "event_production_log"
BEGIN = datetime.min.replace(tzinfo=UTC)


def at(day: date) -> datetime:
    return bounds(day)[0]


def test_a_day_is_that_of_utc() -> None:
    assert bounds(date(2026, 2, 28)) == (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "archived", "expected"),
    [
        (Day(LOG, date(2026, 3, 2)), False, "ahead"),
        (Day(LOG, TODAY), False, "kept"),
        (Day(LOG, date(2026, 1, 30)), False, "kept"),
        (Day(LOG, date(2026, 1, 29)), False, "may be archived"),
        (Day(LOG, date(2026, 1, 29), open=2), False, "kept: it has open events"),
        (Day(LOG, date(2026, 1, 29)), True, "archived"),
        (Day(LOG, date(2026, 1, 29), attached=False), True, "half dropped: run `tracking prune`"),
        (Day(LOG, date(2026, 1, 29), detaching=True), False, "half dropped: run `tracking prune`"),
    ],
)
def test_the_state_of_a_day(day: Day, archived: bool, expected: str) -> None:
    assert state(day, TODAY, 30, archived) == expected
    assert (day.day < oldest_kept(TODAY, 30)) is (day.day == date(2026, 1, 29))


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (Day(LOG, TODAY), None),
        (Day(LOG, TODAY, open=1200), "1,200 of its events are open"),
        (Day(LOG, TODAY, attached=False), "it is half dropped: run `tracking prune`"),
    ],
)
def test_why_a_day_stays(day: Day, why: str | None) -> None:
    outcome = stays("us-east", day)
    assert (outcome and outcome.why) == why


def test_times_of_no_day_that_is_kept() -> None:
    def days(*ago: int) -> list[date]:
        return [TODAY - timedelta(days=n) for n in ago]

    [until] = days(10)
    assert list(gaps([], until)) == [(BEGIN, at(until))]
    assert list(gaps(days(10, 9, 0), until)) == [(BEGIN, at(until))]
    first, second = days(15, 12)
    assert list(gaps([second, first, first], until)) == [
        (BEGIN, at(first)),
        (bounds(first)[1], at(second)),
        (bounds(second)[1], at(until)),
    ]
    assert list(gaps(days(12, 11), until)) == [(BEGIN, at(second))]


def test_days_are_read_from_their_partitions() -> None:
    rows = [
        ("event_production_log_20260131", True, False, None, 8192),
        ("event_consumption_log_20260130", False, False, 7, 9000),
    ]
    days = with_open(map(read_partition, rows), {(LOG, date(2026, 1, 31)): 3})
    assert days == [
        Day("event_consumption_log", date(2026, 1, 30), 7, 9000, 0, False, False),
        Day(LOG, date(2026, 1, 31), None, 8192, 3, True, False),
    ]
    assert [day.table for day in days] == [rows[1][0], rows[0][0]]


def test_a_statement_is_said_of_one_day() -> None:
    statement = b"SELECT 1 FROM event_production_log l WHERE l.id = 1"
    assert (
        of_table(statement, LOG, f"{LOG}_20260131") == b"SELECT 1 FROM event_production_log_20260131 l WHERE l.id = 1"
    )
    assert of_table(statement, LOG, LOG) == statement


@pytest.mark.parametrize(("text", "number"), [("30d", 30), ("2", 2), ("400d", 400)])
def test_a_number_of_days(text: str, number: int) -> None:
    assert DaysParam().convert(text, None, None) == number


@pytest.mark.parametrize("text", ["1d", "0", "-3", "30h", "d", "", "3.5", "99999999"])
def test_no_number_of_days(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a number of days"):
        DaysParam().convert(text, None, None)


def test_the_commands() -> None:
    assert [command.name for command in ARCHIVE_COMMANDS] == ["days", "archive", "prune", "read-archive"]
    for command in ARCHIVE_COMMANDS:
        assert command.help
        assert "as_json" in {parameter.name for parameter in command.params}
