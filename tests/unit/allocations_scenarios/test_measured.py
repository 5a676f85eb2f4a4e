"""What samples of a simulation say: spans of its tracks, delays, the picture, and the last line."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from streams_app.systems.allocations.measured import TRACKS, Measured, spans
from streams_app.systems.allocations.picture import lines, spark, svg
from streams_app.systems.allocations.progress import delays
from streams_app.systems.allocations.progress_model import NOTHING, Progress, Sample
from streams_app.systems.allocations.report import document, is_proved, last_line, print_report
from streams_app.systems.allocations.scenario import Scenario, Way
from streams_app.verification import Check, Finding, Harm, Report, Violation

ALL = Progress(
    slices=4,
    routed=4,
    orders=90,
    booked=8,
    rebalances=1,
    ended=1,
    blocks=3,
    executions=24,
    captured=24,
    due=8,
    filled=8,
)
SAMPLES = [
    Sample(100.0, NOTHING, 0),
    Sample(101.0, Progress(slices=4, routed=2, orders=50, rebalances=1), 1),
    Sample(102.0, Progress(slices=4, routed=4, orders=90, rebalances=1, blocks=3), 0),
    Sample(103.0, Progress(slices=4, routed=4, orders=90, rebalances=1, blocks=3, executions=24, captured=4), 0),
    Sample(104.0, ALL, 0),
    Sample(105.0, ALL, 0),
]
CLEAN = Report("allocations", (), {})
LOST = Check("fills_are_booked", Harm.LOST, "Every fill is booked.")
BROKEN = Report("allocations", (Finding(LOST, 2, (Violation("holdings", "block x"),)),), {})


def measured(report: Report = CLEAN, progress: Progress = ALL, name: str = "small") -> Measured:
    """One way, as a run of five seconds has it."""
    latencies = [n / 100 for n in range(1, 101)]
    return Measured(
        Way(name=name), 5.0, spans(SAMPLES, 100.0), progress, 90, latencies, 1.0, 0, 2, 0, [0, 0, 0, 20, 0], report
    )


SCENARIO = Scenario(words="w", ways=(Way(name="small"),))


def test_a_track_lasts_from_the_first_work_for_it_to_its_last_row() -> None:
    found = {span.track.counts: (span.began, span.ended, span.rows) for span in spans(SAMPLES, 100.0)}
    assert found == {
        "routed": (0, 2, 4),
        "blocks": (1, 2, 3),
        "executions": (2, 3, 24),
        "captured": (3, 4, 24),
        "filled": (3, 4, 8),
        "booked": (4, 4, 8),
        "ended": (4, 4, 1),
    }


def test_spans_of_nothing_are_empty() -> None:
    assert [(span.began, span.ended, span.rows) for span in spans([], 100.0)] == [(0, 0, 0)] * len(TRACKS)


def test_an_execution_is_a_fill_when_its_number_was_first_seen_among_them() -> None:
    block, other, start = uuid4(), uuid4(), datetime(2026, 1, 1, tzinfo=UTC)
    filled = {block: [(2, start + timedelta(seconds=3)), (4, start + timedelta(seconds=9))]}
    executions = [(block, seq, start + timedelta(seconds=seq)) for seq in (1, 2, 3, 5)] + [(other, 1, start)]
    # The fifth has not become fills, and the other block order has none at all.
    assert delays(executions, filled) == [2.0, 1.0, 6.0]


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, 0.5), (0.99, 0.99), (1.0, 1.0)])
def test_a_latency_is_one_that_so_many_do_not_exceed(fraction: float, expected: float) -> None:
    assert measured().latency(fraction) == expected


def test_there_is_no_latency_of_no_executions() -> None:
    empty = Measured(Way(name="x"), 1.0, (), NOTHING, 0, [], 0.0, 0, 0, 0, [], CLEAN)
    assert math.isnan(empty.latency(0.5))


def test_the_last_line_has_rows_and_harms() -> None:
    assert last_line("day", SCENARIO, [measured()]) == (
        "SIMULATION OK scenario=day accounts=1000 orders=90 blocks=3 executions=24 fills=90 booked=8 seconds=5.0 "
        "lost=0 duplicated=0 out_of_order=0 wrong=0"
    )


def test_one_bad_way_fails_all_of_them() -> None:
    found = [measured(), measured(BROKEN)]
    assert not is_proved(found)
    line = last_line("day", SCENARIO, found)
    assert line.startswith("SIMULATION FAILED ")
    assert " lost=2 " in line


@pytest.mark.parametrize("progress", [NOTHING, Progress(rebalances=1), Progress(rebalances=1, ended=1)])
def test_what_has_not_ended_or_filled_nothing_proves_nothing(progress: Progress) -> None:
    assert not is_proved([measured(progress=progress)])


def test_the_picture_in_the_terminal_has_a_bar_for_each_track() -> None:
    drawn = list(lines(measured()))
    assert [line.split("▏")[0].strip() for line in drawn] == [track.words for track in TRACKS]
    assert len({len(line) for line in drawn}) == 1
    # The slices were routed in the first two of five seconds.
    assert drawn[0].count("█") == 24


def test_a_short_peak_is_seen_among_many_samples() -> None:
    assert spark([0] * 500 + [9] + [0] * 500).count("█") == 1
    assert len(spark(list(range(1000)))) == 60
    assert spark([0, 0]) == spark([]) == ""


def test_the_picture_is_a_document_with_every_way_in_it() -> None:
    root = ElementTree.fromstring(svg([measured(name="a < b"), measured(name="other")]))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b: 5.0 s" in texts
    assert "other: 5.0 s" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 2 * len(TRACKS)


def test_the_report_shows_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    print_report([measured(BROKEN)])
    shown = capsys.readouterr().out
    assert "fills_are_booked: 2 violations: holdings: block x" in shown
    assert "at most 20 executions" in shown


def test_the_document_says_the_same() -> None:
    found = document("day", SCENARIO, [measured()])
    assert found["line"].startswith("SIMULATION OK ")
    [way] = found["ways"]
    assert way["execution_to_fill"] == {"p50": 0.5, "p99": 0.99}
    assert way["most_lag"] == 20
