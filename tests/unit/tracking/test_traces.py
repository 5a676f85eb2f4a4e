"""Flows: what follows from what, over services and regions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from streams_app.systems.tracking.traces import Consumed, Produced, Trace, stitch

START = datetime(2026, 5, 4, 10, tzinfo=UTC)


def at(seconds: float | None) -> Any:
    return None if seconds is None else START + timedelta(seconds=seconds)


def produced(
    event: str, service: str, created: float, published: float | None = None, region: str = "east"
) -> Produced:
    status = "PENDING" if published is None else "PUBLISHED"
    return Produced(region, event, service, "t", "made", status, None, 0, 1, at(created), at(published))


def consumed(
    event: str, service: str, received: float, processed: float | None = None, region: str = "east"
) -> Consumed:
    status = "PROCESSING" if processed is None else "PROCESSED"
    return Consumed(region, event, service, "t", "made", status, None, 0, 1, service, at(received), at(processed), 1)


def shape(trace: Trace) -> list[str]:
    return [f"{'.' * depth}{step.row.service_name} {step.row.event_id}" for depth, step in trace.walk()]


def test_an_event_is_followed_through_services_and_regions() -> None:
    trace = stitch(
        "c",
        [produced("1", "orders", 0, 0.1), produced("2", "payments", 0.3, 0.4, region="west")],
        [
            consumed("2", "orders", 0.5, 0.9, region="east"),
            consumed("1", "payments", 0.2, 0.3, region="west"),
            consumed("1", "mails", 0.25, 0.35),
        ],
    )
    assert shape(trace) == ["orders 1", ".payments 1", "..payments 2", "...orders 2", ".mails 1"]
    assert trace.seconds == 0.9
    _, first = next(trace.walk())
    assert (first.after, first.waited, first.took) == (0.0, None, 0.1)
    taken = first.following[0]
    assert (taken.after, round(taken.waited or 0, 3), round(taken.took or 0, 3)) == (0.2, 0.1, 0.1)


def test_the_latest_event_that_a_service_received_is_the_cause() -> None:
    rows = [consumed("1", "s", 0, 1), consumed("2", "s", 2, 3), consumed("3", "s", 9, 10)]
    trace = stitch("c", [produced("4", "s", 4)], rows)
    assert shape(trace) == ["s 1", "s 2", ".s 4", "s 3"]


def test_what_nobody_here_published_begins_a_flow() -> None:
    assert shape(stitch("c", [], [consumed("1", "a", 0, 1)])) == ["a 1"]


def test_what_is_not_over_has_no_duration() -> None:
    trace = stitch("c", [produced("1", "a", 0)], [consumed("1", "b", 1)])
    [(_, out), (_, taken)] = list(trace.walk())
    assert (out.took, taken.waited, taken.took) == (None, None, None)


def test_a_service_that_consumes_its_own_event_did_not_cause_it() -> None:
    trace = stitch("c", [produced("1", "a", 1, 1.1)], [consumed("1", "a", 0.9, 2)])
    assert shape(trace) == ["a 1", ".a 1"]


def test_clocks_that_differ_lose_no_step() -> None:
    # By the clocks, each of two events was received before the other was made.
    trace = stitch(
        "c",
        [produced("1", "a", 2), produced("2", "b", 3)],
        [consumed("2", "a", 1, region="west"), consumed("1", "b", 2.5, region="west")],
    )
    assert sorted(line.strip(".") for line in shape(trace)) == ["a 1", "a 2", "b 1", "b 2"]


def test_nothing_is_an_empty_flow() -> None:
    assert stitch("c", [], []).as_dict() == {"correlation_id": "c", "seconds": 0.0, "steps": []}


def test_json_says_what_follows_from_what_however_long_the_flow_is() -> None:
    count = 1500
    out = [produced(str(n), f"s{n}", n, n + 0.1) for n in range(count)]
    taken = [consumed(str(n), f"s{n + 1}", n + 0.2, n + 0.3) for n in range(count)]
    steps = stitch("c", out, taken).as_dict()["steps"]
    assert len(steps) == 2 * count
    assert [step["follows"] for step in steps] == [None, *range(1, 2 * count)]
    json.dumps(steps, default=str)
