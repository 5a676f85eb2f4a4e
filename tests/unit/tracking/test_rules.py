"""What is decided about events on their way out."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.delivery.events import Event, EventConflictError
from streams_app.systems.tracking.model import ProductionStatus
from streams_app.systems.tracking.rules import REFUSED, SHARDS, Taken, after_refusal, drafts, fair_share, shard_of

TEXTS = st.text(min_size=1, max_size=20)
WITHOUT_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
# Numbers with an exponent are written in more than one way.
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WITHOUT_NUL
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WITHOUT_NUL, inner, max_size=3),
        max_leaves=8,
    )


def event(event_id: str = "e-1", payload: Any = 0, **values: Any) -> Event:
    arguments = {"topic": "t", "event_type": "MADE"} | values
    return Event(event_id=event_id, payload=payload, **arguments)


def taken(retry_count: int = 0, max_retries: int = 3) -> Taken:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Taken(1, "e-1", at, "service", "t", "k", "MADE", "{}", None, 0, retry_count, max_retries)


def test_shards_stay_what_they_are() -> None:
    # Rows hold them: another hash would give the events of a key to two relays.
    assert [shard_of(key, "") for key in ("a", "account-1", "ключ", "")] == [3, 0, 10, 0]


@given(TEXTS | st.just(""), TEXTS, TEXTS)
def test_all_events_of_a_key_are_in_one_shard(key: str, one: str, other: str) -> None:
    assert shard_of(key, one) == shard_of(key, other)
    assert 0 <= shard_of(key, one) < SHARDS
    assert shard_of(None, one) == shard_of(one, other)


def test_events_without_a_key_are_spread() -> None:
    counts = Counter(shard_of(None, f"event-{number}") for number in range(1600))
    assert set(counts) == set(range(SHARDS))
    assert max(counts.values()) < 3 * 100


@given(st.integers(0, 100))
def test_a_fair_share_covers_all_shards_and_no_more(relays: int) -> None:
    share, living = fair_share(relays), max(1, relays)
    assert share * living >= SHARDS
    assert (share - 1) * living < SHARDS


@given(nested(PLAIN | FLOATS))
def test_a_payload_is_the_same_json(payload: Any) -> None:
    [draft] = drafts([event(payload=payload, key="k")], 1_000_000)
    assert orjson.loads(draft.payload) == payload
    assert draft.shard == shard_of("k", "e-1")


@given(nested(PLAIN), st.integers(1, 60))
def test_what_is_taken_is_short_enough_for_its_consumers(payload: Any, limit: int) -> None:
    # As a database writes it, which is what the record holds.
    size = len(json.dumps(payload, ensure_ascii=False).encode())
    if size <= limit:
        assert drafts([event(payload=payload)], limit)
    else:
        with pytest.raises(ValueError, match=f"bytes, at most {limit}"):
            drafts([event(payload=payload)], limit)


def test_events_keep_their_order() -> None:
    events = [event(f"e-{number}", key="k") for number in (3, 1, 2)]
    assert [draft.event for draft in drafts(events, 100)] == events


def test_an_event_that_is_given_twice_is_one() -> None:
    made = drafts([event("a", {"n": 1}), event("b"), event("a", {"n": 1})], 100)
    assert [draft.event.event_id for draft in made] == ["a", "b"]


def test_an_id_with_two_payloads_is_a_conflict() -> None:
    with pytest.raises(EventConflictError, match="event a is given twice"):
        drafts([event("a", {"n": 1}), event("b"), event("a", {"n": 2})], 100)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"event_id": ""}, "event_id must have 1 to 100"),
        ({"event_id": "x" * 101}, "event_id must have 1 to 100"),
        ({"event_type": ""}, "event_type must have 1 to 100"),
        ({"event_type": "x" * 101}, "event_type must have 1 to 100"),
        ({"topic": ""}, "topic must have 1 to 249"),
        ({"topic": "x" * 250}, "topic must have 1 to 249"),
        ({"key": "x" * 256}, "255 characters of key"),
        ({"correlation_id": "x" * 101}, "100 of correlation_id"),
        ({"event_id": "a\0b"}, "NUL"),
        ({"event_type": "a\0b"}, "NUL"),
        ({"topic": "a\0b"}, "NUL"),
        ({"key": "a\0b"}, "NUL"),
        ({"correlation_id": "a\0b"}, "NUL"),
        ({"payload": {"text": "a\0b"}}, "NUL"),
        ({"payload": {"a\0b": 1}}, "NUL"),
        ({"payload": {"text": "\\\0"}}, "NUL"),
        ({"payload": object()}, "not JSON"),
        ({"payload": {1: 2}}, "not JSON"),
        ({"payload": {"text": "\ud800"}}, "not JSON"),
        # As a database writes it, with a space after the colon.
        ({"payload": {"text": "x" * 89}}, "101 bytes, at most 100 are published"),
    ],
)
def test_what_no_log_or_topic_would_take_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        drafts([event("before"), event(**values)], 100)


@pytest.mark.parametrize(
    "values",
    [
        {"event_id": "x" * 100, "event_type": "x" * 100, "topic": "x" * 249},
        {"key": "x" * 255, "correlation_id": "x" * 100},
        {"key": ""},
        {"payload": {"text": "x" * 88}},
        {"payload": ":," * 49},
        {"payload": "é" * 45 + "," * 5},
        # The six characters, and not what they stand for.
        {"payload": {"text": "\\u0000"}},
    ],
)
def test_what_is_just_right_is_taken(values: dict[str, Any]) -> None:
    assert len(drafts([event(**values)], 100)) == 1


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_an_event_fails_after_its_last_try(max_retries: int) -> None:
    item, seen = taken(max_retries=max_retries), []
    while True:
        result = after_refusal(item, "too large", counts=True, fraction=0.0)
        seen.append(result.status)
        assert result.error == "too large"
        if result.status is ProductionStatus.FAILED:
            break
        assert result.retry_count == item.retry_count + 1
        item = taken(result.retry_count, max_retries)
    assert seen == [ProductionStatus.PENDING] * max_retries + [ProductionStatus.FAILED]
    assert (result.retry_count, result.pause) == (max_retries, None)


@given(st.integers(0, 9), st.floats(0, 1))
def test_pauses_between_tries_grow_to_a_limit(retry_count: int, fraction: float) -> None:
    pause = after_refusal(taken(retry_count, 10), "no", counts=True, fraction=fraction).pause
    assert pause is not None
    assert REFUSED.first * (1 - REFUSED.spread) <= pause <= REFUSED.most
    longest = after_refusal(taken(retry_count, 10), "no", counts=True, fraction=0.0).pause
    assert longest == min(REFUSED.most, REFUSED.first * 2**retry_count)


@given(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1))
def test_while_the_broker_is_away_no_try_counts(retry_count: int, max_retries: int, fraction: float) -> None:
    result = after_refusal(taken(retry_count, max_retries), "away", counts=False, fraction=fraction)
    assert (result.status, result.retry_count) == (ProductionStatus.PENDING, retry_count)
    assert (result.pause, result.error) == (None, None)
