"""Alerts: each limit, just kept and just passed."""

from __future__ import annotations

import pytest

from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.alerts import AlertName, Limits, judge, limits_of
from streams_app.systems.tracking.summaries import Backlog, Cell, Figures, Side

LIMITS = Limits(backlog=10, oldest_seconds=60, failure_rate=0.01, retry_rate=0.05)


def figures(
    *,
    pending: int = 0,
    processing: int = 0,
    oldest: float | None = None,
    days: int | None = 14,
    cells: list[Cell] | None = None,
) -> Figures:
    counts = {Side.PRODUCED: {"PENDING": pending}, Side.CONSUMED: {"PROCESSING": processing}}
    return Figures("here", Backlog(counts, oldest, days), cells)


def window(side: Side, *, done: int, failed: int = 0, retried: int = 0) -> list[Cell]:
    good = "PUBLISHED" if side is Side.PRODUCED else "PROCESSED"
    return [Cell(side, "a", good, 10, done, retried, 5.0), Cell(side, "a", "FAILED", None, failed, 0, 0.0)]


@pytest.mark.parametrize(
    ("kept", "passed", "name", "side"),
    [
        (figures(pending=10), figures(pending=11), AlertName.BACKLOG, Side.PRODUCED),
        (figures(processing=10), figures(processing=11), AlertName.CONSUMPTION_BACKLOG, Side.CONSUMED),
        (figures(oldest=60), figures(oldest=60.5), AlertName.OLDEST, Side.PRODUCED),
        (figures(days=2), figures(days=1), AlertName.DAYS_AHEAD, None),
        (
            figures(cells=window(Side.PRODUCED, done=99, failed=1)),
            figures(cells=window(Side.PRODUCED, done=98, failed=2)),
            AlertName.FAILURE_RATE,
            Side.PRODUCED,
        ),
        (
            figures(cells=window(Side.CONSUMED, done=100, retried=5)),
            figures(cells=window(Side.CONSUMED, done=100, retried=6)),
            AlertName.RETRY_RATE,
            Side.CONSUMED,
        ),
    ],
    ids=lambda value: value.value if isinstance(value, AlertName) else "",
)
def test_a_limit_is_kept_or_passed(kept: Figures, passed: Figures, name: AlertName, side: Side | None) -> None:
    assert judge([kept], LIMITS) == []
    [alert] = judge([passed], LIMITS)
    assert (alert.region, alert.name, alert.side) == ("here", name, side)
    assert alert.next_step
    assert alert.found is not None
    assert str(alert).startswith(f"here: {name.value}")


def test_what_is_not_known_is_no_alert() -> None:
    assert judge([figures(days=None, oldest=None)], LIMITS) == []


def test_a_region_that_does_not_answer_is_one() -> None:
    alerts = judge([Figures("gone", None), figures()], LIMITS)
    assert [(alert.region, alert.name) for alert in alerts] == [("gone", AlertName.NO_ANSWER)]


def test_the_limits_are_those_of_the_settings() -> None:
    settings = TrackingSettings(backlog_alert=1, oldest_alert=2, failure_rate_alert=0.3, retry_rate_alert=0.4)
    assert limits_of(settings) == Limits(1, 2, 0.3, 0.4)
