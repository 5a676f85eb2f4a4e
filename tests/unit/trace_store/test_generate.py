"""Generated sessions: repeatable, as the seed describes them, and such that the store takes every event."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import mean
from typing import Any

import orjson
import pytest

from streams_app.changefeed import Record
from streams_app.systems.trace_store.decoding import Decoder
from streams_app.systems.trace_store.generate.generator import LONG, Blueprint, TraceRecord, records, sizes
from streams_app.systems.trace_store.generate.sessions import told
from streams_app.systems.trace_store.model import EventType, NewEvent
from streams_app.systems.trace_store.schemas import KINDS

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPAN = timedelta(days=20)
BLUEPRINT = Blueprint(7, 12_000, UNTIL, SPAN)


@pytest.fixture(scope="module")
def made() -> list[TraceRecord]:
    """The records of one blueprint."""
    return list(records(BLUEPRINT))


@pytest.fixture(scope="module")
def events(made: list[TraceRecord]) -> list[NewEvent]:
    """The rows that ingest makes of them: nothing is refused."""
    decoder = Decoder(4096, timedelta(0), SPAN, now=lambda: UNTIL)
    return [
        decoder.decode(Record(record.topic, 0, number, record.key, record.value, record.headers)).event
        for number, record in enumerate(made)
    ]


def exchanges(events: list[NewEvent]) -> dict[str, list[NewEvent]]:
    """By correlation id."""
    found = defaultdict(list)
    for event in events:
        if event.correlation_id is not None:
            found[event.correlation_id].append(event)
    return found


def test_a_seed_gives_the_same_records_and_another_one_others(made: list[TraceRecord]) -> None:
    assert list(records(BLUEPRINT)) == made
    others = list(records(Blueprint(8, 500, UNTIL, SPAN)))
    assert not {record.key for record in others} & {record.key for record in made}


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1003])
def test_there_are_as_many_as_asked_for(count: int) -> None:
    blueprint = Blueprint(7, count, UNTIL, SPAN)
    assert sum(sizes(blueprint)) == len(list(records(blueprint))) == count


def test_every_topic_has_events_and_every_event_an_identity(events: list[NewEvent]) -> None:
    assert {event.topic for event in events} == set(KINDS)
    assert len({event.event_id for event in events}) == len(events)


def test_a_request_comes_before_its_end_and_has_one(events: list[NewEvent]) -> None:
    kinds = {tuple(event.event_type for event in found) for found in exchanges(events).values()}
    assert kinds == {(EventType.REQUEST, EventType.RESPONSE), (EventType.REQUEST, EventType.ERROR)}
    for found in exchanges(events).values():
        asked, ended = found
        assert asked.topic.rpartition("_")[0].endswith(ended.topic.split("_")[-2])
        assert asked.session_id == ended.session_id
        assert asked.timestamp < ended.timestamp


def test_exchanges_follow_from_the_one_before_in_their_session(events: list[NewEvent]) -> None:
    found = exchanges(events)
    parents = {name: both[0].parent_correlation_id for name, both in found.items()}
    followed = [name for name, parent in parents.items() if parent is not None]
    assert 0.4 < len(followed) / len(found) < 0.7
    for name in followed:
        before = found[str(parents[name])]
        assert before[-1].timestamp < found[name][0].timestamp
        assert before[0].session_id == found[name][0].session_id
    # Chains of several hops.
    assert any((above := parents[name]) is not None and parents[above] is not None for name in followed)


def test_records_come_in_the_order_of_their_times_within_the_span(events: list[NewEvent]) -> None:
    times = [datetime.fromisoformat(event.timestamp) for event in events]
    assert min(times) >= UNTIL - SPAN
    assert max(times) <= UNTIL
    assert max(times) - min(times) > 0.9 * SPAN
    earlier = sum(after < before for before, after in pairwise(times))
    assert earlier < len(times) / 100
    by_session = defaultdict(list)
    for event, time in zip(events, times, strict=True):
        by_session[event.session_id].append(time)
    assert all(found == sorted(found) for found in by_session.values())


def test_sessions_fit_a_span_that_is_shorter_than_they_are() -> None:
    span = timedelta(seconds=30)
    found = [orjson.loads(record.value)["timestamp"] for record in records(Blueprint(7, 1500, UNTIL, span))]
    assert UNTIL - span <= datetime.fromisoformat(min(found)) < datetime.fromisoformat(max(found)) <= UNTIL


def test_most_sessions_are_short_and_a_few_very_long() -> None:
    found = Counter(sizes(Blueprint(7, 200_000, UNTIL, SPAN)))
    count = sum(found.values())
    assert sum(times for size, times in found.items() if 10 <= size <= 40) / count > 0.95
    assert found[LONG] == 1 + (count - 1) // 1000
    assert max(found) == 5 * LONG


def test_some_topics_are_slow_on_average_some_answers_are_failures(events: list[NewEvent]) -> None:
    spent = defaultdict(list)
    for event in events:
        if event.processing_time_ms is not None:
            spent[event.topic].append(event.processing_time_ms)
    averages = sorted(mean(times) for times in spent.values())
    assert [sum(average > limit for average in averages) for limit in (1000, 2000, 5000)] == [3, 2, 1]
    answers = Counter(event.status for event in events if event.event_type is EventType.RESPONSE)
    assert 0.02 < answers["failed"] / answers.total() < 0.1
    assert 0 < sum(event.event_type is EventType.ERROR for event in events) / len(events) < 0.02


def test_payloads_are_as_long_as_real_ones(made: list[TraceRecord]) -> None:
    lengths = [len(record.value) for record in made]
    assert 500 < mean(lengths) < 700
    assert min(lengths) > 200
    assert 1500 < max(lengths) < 4096


def test_some_sessions_have_ids_of_their_own_and_some_a_trace(made: list[TraceRecord], events: list[NewEvent]) -> None:
    data: list[dict[str, Any]] = [orjson.loads(record.value) for record in made]
    named = sum("event_id" in event for event in data)
    assert 0 < named < len(data) / 2
    traced = [event for event in events if "traceparent" in orjson.loads(event.metadata)]
    assert len(traced) == sum(bool(record.headers) for record in made)
    assert 0 < len(traced) < len(events) / 2


@pytest.mark.parametrize("size", [1, 2, 3, 10, 57])
def test_a_session_ends_with_a_status(size: int) -> None:
    events = told(size, Random(1))
    assert len(events) == size
    assert events[-1].fields["status"] in ("completed", "failed")
    assert [event.after for event in events] == sorted(event.after for event in events)
