"""The picture of a session: what becomes a bar or a mark, what is left out, and both ways to draw it."""

from __future__ import annotations

from uuid import UUID
from xml.etree import ElementTree

import pytest

from streams_app.systems.trace_store.model import EventStatus, StoredEvent
from streams_app.systems.trace_store.waterfall import Outcome, Waterfall, span, tick_label, ticks, waterfall
from streams_app.systems.trace_store.waterfall_pictures import svg, terminal

from .made import SESSION, event

SVG = "{http://www.w3.org/2000/svg}"


def picture(events: list[StoredEvent], most: int = 60, total: int | None = None) -> Waterfall:
    events = sorted(events, key=lambda event: event.timestamp)
    return waterfall(SESSION, events, len(events) if total is None else total, most)


def busy() -> Waterfall:
    """An exchange of each kind, and two marks."""
    return picture(
        [
            event(0),
            event(500, "response"),
            event(250, exchange=2),
            event(750, "error", exchange=2),
            event(900, exchange=3),
            event(100, "status", None, status=EventStatus.PROCESSING),
            event(1000, "status", None, status=EventStatus.FAILED),
        ]
    )


def lines(drawn: Waterfall, width: int = 64) -> list[str]:
    return [line.plain for line in terminal(drawn, width)]


def test_an_exchange_is_a_bar_and_a_status_is_a_mark() -> None:
    drawn = busy()
    assert (drawn.length, drawn.events, drawn.notes) == (1000, 7, [])
    assert [(bar.name, bar.start, bar.end, bar.outcome) for bar in drawn.bars] == [
        ("analyze", 0, 500, Outcome.ANSWERED),
        ("analyze", 250, 750, Outcome.FAILED),
        ("analyze", 900, 900, Outcome.OPEN),
    ]
    assert [(mark.at, mark.failed) for mark in drawn.marks] == [(100, False), (1000, True)]


def test_an_answer_that_failed_fails_its_exchange() -> None:
    [bar] = picture([event(0), event(5, "response", status=EventStatus.FAILED)]).bars
    assert bar.outcome is Outcome.FAILED


def test_a_topic_of_others_keeps_its_name() -> None:
    names = {
        bar.name for bar in picture([event(0, topic="orders"), event(1, exchange=2, topic="omninode_codegen_x")]).bars
    }
    assert names == {"orders", "omninode_codegen_x"}


def test_what_failed_or_is_open_stays_and_then_the_slowest() -> None:
    events = [event(10 * n, exchange=n) for n in range(10)]
    events += [event(10 * n + n, "response", exchange=n) for n in range(8)]
    events += [event(95, "error", exchange=8)]
    drawn = picture(events, most=4)
    assert [bar.correlation_id for bar in drawn.bars] == [UUID(int=n) for n in (6, 7, 8, 9)]
    assert drawn.notes == ["6 of 10 exchanges are left out: failed and open ones come first, then the slowest"]


def test_failures_that_are_left_out_are_counted() -> None:
    drawn = picture([event(n, "error", exchange=n) for n in range(5)], most=2, total=9)
    assert drawn.notes[0].startswith("3 of 5 exchanges are left out, 3 of them failed")
    assert drawn.notes[1] == "only the first 5 of 9 events are in the picture"


def test_a_picture_needs_events() -> None:
    with pytest.raises(ValueError, match="events"):
        waterfall(SESSION, [], 0)


def test_the_terminal_shows_bars_where_they_are() -> None:
    found = lines(busy())
    # Forty columns for a second.
    assert found[3] == f"{'':13}|0{'':18}|500 ms{'':12}|1 s"
    assert found[4] == f"{'status':13}    ◆{'':34}✖"
    assert found[5] == f"{'analyze':13}{'█' * 20}{'':20}     500 ms"
    assert found[6] == f"{'analyze':13}{'':10}{'▚' * 20}{'':10}     500 ms"
    assert found[7] == f"{'analyze':13}{'':36}░{'':3}  no answer"


def test_what_failed_differs_by_more_than_its_colour() -> None:
    [legend] = [line for line in lines(busy()) if "answered" in line]
    assert legend == "█ answered  ▚ failed  ░ no answer  ◆ status  ✖ failed status"


def test_a_session_of_one_moment_can_be_drawn() -> None:
    drawn = picture([event(0), event(0, "response"), event(0, "status", None)])
    assert drawn.length == 0
    assert any("█" in line for line in lines(drawn))
    ElementTree.fromstring(svg(drawn))


def test_every_part_is_in_the_svg() -> None:
    root = ElementTree.fromstring(svg(busy()))
    assert root.find(f"{SVG}title").text == f"Session {SESSION}"
    bars = [rect for rect in root.findall(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert [bar.get("class") for bar in bars] == ["answered", "failed", "open"]
    assert [(bar.get("x"), bar.get("width")) for bar in bars] == [
        ("120.0", "300.0"),
        ("270.0", "300.0"),
        ("660.0", "2.0"),
    ]
    assert next(bar.find(f"{SVG}title").text.split(": ")[1] for bar in bars) == "answered, 500 ms, begun after 0 ms"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"answered", "failed", "no answer", "status", "failed status", "500 ms"} <= set(texts)
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_names_from_outside_are_no_markup() -> None:
    root = ElementTree.fromstring(svg(picture([event(0, topic="<script>&</script>")])))
    assert not list(root.iter(f"{SVG}script"))
    assert "<script>&</scri…" in [text.text for text in root.iter(f"{SVG}text")]
    assert lines(picture([event(0, topic="[red]x")]))[4].startswith("[red]x")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1500, "1.50 s"), (120_000, "2.0 min"), (7_200_000, "2.0 h"), (864e6, "240.0 h")],
)
def test_spans(milliseconds: float, text: str) -> None:
    assert span(milliseconds) == text


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, ["0"]),
        (0.5, ["0"]),
        (7, ["0", "2 ms", "4 ms", "6 ms"]),
        (1000, ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
        (60_000, ["0", "15 s", "30 s", "45 s", "1 min"]),
        (90 * 60_000, ["0", "30 min", "1 h", "90 min"]),
        (3 * 86_400_000, ["0", "1 d", "2 d", "3 d"]),
    ],
)
def test_ticks_are_round_and_few(length: float, expected: list[str]) -> None:
    found = ticks(length)
    assert [tick_label(tick) for tick in found] == expected


def test_an_axis_of_any_length_has_few_ticks() -> None:
    for power in range(-3, 16):
        assert 1 <= len(ticks(10.0**power)) <= 6
