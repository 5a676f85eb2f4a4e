"""Figures of both logs: what is added up, what is divided, and what is not known."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.tracking.summaries import (
    STEPS_PER_E,
    Backlog,
    Cell,
    Figures,
    Flow,
    Side,
    all_backlogs,
    by_service,
    days_ahead,
    total,
)

LOGS = ("event_production_log", "event_consumption_log")


def bucket(milliseconds: float) -> int:
    """As figures.sql counts it."""
    return math.floor(math.log(max(milliseconds, 1.0)) * STEPS_PER_E)


def cell(status: str, events: int = 1, *, took: float | None = None, retried: int = 0, service: str = "a") -> Cell:
    step = None if took is None else bucket(took)
    return Cell(Side.PRODUCED, service, status, step, events, retried, (took or 0) * events)


def test_rates_are_shares_of_what_is_over_and_retries_of_all() -> None:
    flow = total([cell("PUBLISHED", 90, took=10, retried=5), cell("FAILED", 10, retried=10), cell("PENDING", 100)])
    assert (flow.events, flow.done, flow.failed) == (200, 90, 10)
    assert flow.success_rate == pytest.approx(0.9)
    assert flow.error_rate == pytest.approx(0.1)
    assert flow.retry_rate == pytest.approx(15 / 200)
    assert flow.average_ms == pytest.approx(10)


def test_nothing_is_no_rate() -> None:
    flow = Flow()
    assert (flow.success_rate, flow.error_rate, flow.retry_rate, flow.average_ms) == (None,) * 4
    assert flow.percentile_ms(0.99) is None


def test_the_time_of_what_failed_is_no_latency() -> None:
    flow = total([cell("PROCESSED", 1, took=10), cell("FAILED", 1, took=9000)])
    assert flow.average_ms == pytest.approx(10)
    assert flow.percentile_ms(1.0) == pytest.approx(10, rel=0.06)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_at_most_five_percent_too_much(times: list[float], share: float) -> None:
    found = total(cell("PUBLISHED", took=time) for time in times).percentile_ms(share)
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    assert found is not None
    assert exact * 0.999 <= found <= exact * 1.06


def test_services_are_told_apart_and_named_in_order() -> None:
    flows = by_service([cell("PUBLISHED", 3, took=5, service="b"), cell("FAILED", service="a"), cell("PENDING")])
    assert list(flows) == [("a", Side.PRODUCED), ("b", Side.PRODUCED)]
    assert flows["a", Side.PRODUCED].error_rate == 1.0
    assert flows["b", Side.PRODUCED].success_rate == 1.0


def test_figures_per_minute_are_of_the_window() -> None:
    figures = total([cell("PUBLISHED", 30, took=5), cell("FAILED", 15)]).as_dict(minutes=15)
    assert (figures["per_minute"], figures["done_per_minute"], figures["failed_per_minute"]) == (3.0, 2.0, 1.0)


def test_the_backlog_of_all_regions_leaves_out_those_that_do_not_answer() -> None:
    one = Backlog({Side.PRODUCED: {"PENDING": 2, "FAILED": 1}}, 5.0, 14)
    other = Backlog({Side.PRODUCED: {"PENDING": 3}, Side.CONSUMED: {"PROCESSING": 4}}, None, 3)
    found = all_backlogs([Figures("x", one), Figures("y", None), Figures("z", other)])
    assert found.waiting(Side.PRODUCED) == 5
    assert found.waiting(Side.CONSUMED) == 4
    assert (found.failed(Side.PRODUCED), found.oldest_seconds, found.days_ahead) == (1, 5.0, 3)


def test_what_failed_does_not_wait() -> None:
    assert Backlog({Side.PRODUCED: {"FAILED": 9, "PUBLISHING": 1}}, None, None).waiting(Side.PRODUCED) == 1


def names(log: str, *days: str) -> list[str]:
    return [f"{log}_{day}" for day in days]


@pytest.mark.parametrize(
    ("production", "consumption", "days"),
    [
        (("20260101", "20260102", "20260103"), ("20260101", "20260102", "20260103"), 2),
        (("20260101", "20260102", "20260103"), ("20260101", "20260102"), 1),
        (("20260101", "20260102", "20260104"), ("20260101", "20260102", "20260104"), 1),
        (("20260101",), ("20260101",), 0),
        (("20260102",), ("20260102",), 0),
        ((), (), 0),
    ],
)
def test_days_ahead_count_both_logs_without_a_gap(
    production: tuple[str, ...], consumption: tuple[str, ...], days: int
) -> None:
    there = [*names(LOGS[0], *production), *names(LOGS[1], *consumption)]
    assert days_ahead(there, LOGS, date(2026, 1, 1)) == days


def test_days_ahead_go_over_the_end_of_a_year() -> None:
    there = [name for log in LOGS for name in names(log, "20261231", "20270101")]
    assert days_ahead(there, LOGS, date(2026, 12, 31)) == 1
