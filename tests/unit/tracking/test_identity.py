"""How a consumed event is known, and which events the requests' ends are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed.change import Headers
from streams_app.delivery.events import correlation_id, digest, event_id, event_type
from streams_app.systems.requests.model import Decision, Status, Transition
from streams_app.systems.requests.outcomes import outcomes
from streams_app.systems.tracking.rules import drafts
from streams_app.topics import REQUEST_OUTCOMES
from tests.unit.requests.contexts import NOW, REQUEST_ID

PLACE = ("topic", 3, 7)
BY_PLACE = "topic-3-7"
HEADERS = st.lists(st.tuples(st.sampled_from(["event_id", "id", "other"]), st.none() | st.binary(max_size=120)))
PAYLOADS = st.none() | st.integers() | st.dictionaries(st.just("event_id"), st.text(max_size=120) | st.integers())


@pytest.mark.parametrize(
    ("headers", "data", "expected"),
    [
        ((("event_id", b"a"),), {"event_id": "b"}, "a"),
        ((("id", b"a"),), {"event_id": "b"}, "a"),
        ((("event_id", b"a"), ("id", b"b")), None, "a"),
        ((("event_id", b""), ("id", b"b")), None, "b"),
        ((("other", b"a"),), {"event_id": "b"}, "b"),
        # Debezium's converters write text as JSON.
        ((("event_id", b'"a"'),), None, "a"),
        ((("event_id", b'""'),), {"event_id": "b"}, "b"),
        ((("event_id", None),), {"event_id": "b"}, "b"),
        ((("event_id", b"x" * 100),), {"event_id": "b"}, "x" * 100),
        ((("event_id", b"x" * 101),), {"event_id": "b"}, "b"),
        ((("event_id", b"a\0b"),), {"event_id": "b"}, "b"),
        # Two that are no text must not become one.
        ((("event_id", b"\xff"),), {"event_id": "b"}, "b"),
        ((), {"event_id": "x" * 100}, "x" * 100),
        ((), {"event_id": "x" * 101}, BY_PLACE),
        ((), {"event_id": "a\0b"}, BY_PLACE),
        ((), {"event_id": ""}, BY_PLACE),
        ((), {"event_id": 5}, BY_PLACE),
        ((), {"id": "b"}, BY_PLACE),
        ((), ["event_id"], BY_PLACE),
        ((), None, BY_PLACE),
    ],
)
def test_an_event_is_known_by_its_header_then_its_payload_then_its_place(
    headers: Headers, data: Any, expected: str
) -> None:
    assert event_id(headers, data, PLACE) == expected


@given(HEADERS, PAYLOADS, st.integers(0, 10_000), st.integers(0, 2**63 - 1))
def test_every_event_has_an_identity_that_a_column_takes(
    headers: list[tuple[str, bytes | None]], data: Any, partition: int, offset: int
) -> None:
    place = ("t" * 249, partition, offset)
    known = event_id(tuple(headers), data, place)
    assert 0 < len(known) <= 400
    assert "\0" not in known
    assert known == event_id(tuple(headers), data, place)


@given(st.tuples(st.integers(0, 99), st.integers(0, 99)), st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_two_places_are_two_identities(one: tuple[int, int], other: tuple[int, int]) -> None:
    known = [event_id((), {}, ("topic", *place)) for place in (one, other)]
    assert (known[0] == known[1]) == (one == other)


def test_the_type_is_that_of_the_header_then_the_payload() -> None:
    headers = (("event_type", b'"MADE"'),)
    assert event_type(headers, {"event_type": "OTHER"}) == "MADE"
    assert event_type((), {"event_type": "OTHER"}) == "OTHER"
    assert event_type((("event_type", b"x" * 101),), {"event_type": "OTHER"}) == "OTHER"
    assert event_type((("event_type", b"\xff"),), {"event_type": 5}) == "unknown"
    assert event_type((), None) == "unknown"


def test_the_correlation_is_that_of_the_header_then_the_payload() -> None:
    headers = (("correlation_id", b"c-1"),)
    assert correlation_id(headers, {"correlation_id": "c-2"}) == "c-1"
    assert correlation_id((), {"correlation_id": "c-2"}) == "c-2"
    assert correlation_id((("correlation_id", b""),), {"correlation_id": "x" * 101}) is None
    assert correlation_id((), []) is None


def test_a_digest_is_that_of_the_data_and_not_of_its_text() -> None:
    known = digest(orjson.loads(b'{"a": 1, "b": [1, {"c": "d", "e": null}]}'))
    assert known == digest(orjson.loads(b'{"b":[1,{"e":null,"c":"\\u0064"}],"a":1}'))
    others = [b'{"a": 1}', b'{"a": 1, "b": [{"c": "d", "e": null}, 1]}', b'{"a": "1", "b": [1, {"c": "d", "e": null}]}']
    assert known not in {digest(orjson.loads(other)) for other in others}


def decision(status: Status, **values: Any) -> Decision:
    step = Transition(REQUEST_ID, 12, 4, 1090, status, NOW, "someone", "step-4", {"outcome": "x"})
    return Decision(replace(step, **values))


def test_only_the_end_of_a_request_is_an_event() -> None:
    made = outcomes([decision(status) for status in Status])
    assert [event.event_type for event in made] == ["REQUEST_COMPLETE", "REQUEST_FAILED", "REQUEST_CANCELLED"]
    assert outcomes([]) == []


def test_the_end_of_a_request_has_one_identity() -> None:
    [one] = outcomes([decision(Status.COMPLETE)])
    [other] = outcomes([decision(Status.FAILED, expected_seq=9, idempotency_key="timeout-9")])
    assert one.event_id == other.event_id == f"request-ended-{REQUEST_ID}"
    assert (one.topic, one.key, one.correlation_id) == (REQUEST_OUTCOMES.name, str(REQUEST_ID), str(REQUEST_ID))


def test_what_the_end_of_a_request_tells() -> None:
    ended = decision(Status.FAILED, metadata={"outcome": "invalid", "reason": "account_closed"})
    [draft] = drafts(outcomes([ended]), 1000)
    assert orjson.loads(draft.payload) == {
        "request_id": str(REQUEST_ID),
        "locality": 12,
        "status_id": 4,
        "seq_num": 5,
        "ended_at": "2026-03-01T12:00:00+00:00",
        "reason": "account_closed",
    }
    [without_reason] = outcomes([decision(Status.COMPLETE)])
    assert without_reason.payload["reason"] is None
