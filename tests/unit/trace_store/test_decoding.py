"""What a message must be to be stored, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed import Undecodable
from streams_app.delivery.ports import Rejected
from streams_app.systems.trace_store.decoding import Decoder
from streams_app.systems.trace_store.model import EventStatus, EventType
from streams_app.systems.trace_store.schemas import KINDS, STATUS_TOPIC, request_topic, response_topic
from streams_app.topics import TRACE_TOPICS
from tests.integration.traces import BODIES, message, record

DECODER = Decoder(1_048_576, timedelta(hours=1), timedelta(days=90))
REQUEST, RESPONSE = request_topic("analyze"), response_topic("analyze")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def row(topic: str, value: Any, headers: Any = ()) -> Any:
    return DECODER.decode(record(topic, value, headers=headers)).event


def reason(topic: str, value: Any, headers: Any = ()) -> str:
    with pytest.raises((Undecodable, Rejected)) as caught:
        DECODER.decode(record(topic, value, headers=headers))
    return str(caught.value.reason)


def test_nine_events_and_four_kinds_of_failure_have_thirteen_topics() -> None:
    assert set(KINDS) == set(BODIES) == {topic.name for topic in TRACE_TOPICS}
    assert len(KINDS) == 13
    assert len({kind.name for kind in KINDS.values() if kind.event_type is not EventType.ERROR}) == 9


@pytest.mark.parametrize("topic", BODIES)
def test_an_event_becomes_a_row(topic: str) -> None:
    given = message(topic, metadata={"source": "omniclaude"})
    found = row(topic, given)
    assert (found.session_id, found.correlation_id) == (given["session_id"], given["correlation_id"])
    assert found.topic == topic
    assert found.event_type is KINDS[topic].event_type
    assert orjson.loads(found.payload) == given
    assert orjson.loads(found.metadata) == {"source": "omniclaude"}
    assert datetime.fromisoformat(found.timestamp) == datetime.fromisoformat(given["timestamp"])
    expected = given.get("processing_time_ms") if found.event_type is EventType.RESPONSE else None
    assert found.processing_time_ms == expected


@pytest.mark.parametrize(
    ("topic", "said", "expected"),
    [
        (REQUEST, None, EventStatus.SENT),
        (REQUEST, "received", EventStatus.RECEIVED),
        (RESPONSE, None, EventStatus.COMPLETED),
        (RESPONSE, "failed", EventStatus.FAILED),
        (STATUS_TOPIC, "completed", EventStatus.COMPLETED),
        ("omninode_codegen_dlq_mixin_v1", None, EventStatus.FAILED),
    ],
)
def test_an_event_has_the_status_that_it_names_or_that_of_its_kind(topic: str, said: str | None, expected: str) -> None:
    changes = {} if said is None and topic == STATUS_TOPIC else {"status": said}
    assert row(topic, message(topic, **changes)).status is expected


def test_a_newer_minor_version_is_read_with_all_it_says() -> None:
    given = message(REQUEST, schema_version="1.7", urgency={"level": 3})
    assert orjson.loads(row(REQUEST, given).payload)["urgency"] == {"level": 3}


def test_a_status_needs_no_correlation() -> None:
    assert row(STATUS_TOPIC, message(STATUS_TOPIC, correlation_id=None)).correlation_id is None


NOW = datetime.now(UTC)
BAD = [
    ("not_json", b"{"),
    ("not_json", b""),
    ("not_utf8", b'{"a": "\xff"}'),
    ("compressed", b"\x1f\x8b\x08"),
    ("null_value", None),
    ("not_an_object", [1]),
    ("too_deep", b'{"a":' * 200 + b"1" + b"}" * 200),
    ("oversized", message(REQUEST, prd_content="x" * 1_048_576)),
    ("nul_in_text", message(REQUEST, prd_content="a\0b")),
    ("nul_in_text", message(REQUEST, metadata={"a\0": 1})),
    ("duplicate_key", b'{"session_id": "a", "session_id": "b"}'),
    ("bad_uuid", message(REQUEST, session_id="not-a-uuid")),
    ("bad_uuid", message(REQUEST, correlation_id="123")),
    ("bad_uuid", message(REQUEST, event_id="x")),
    ("bad_uuid", message(REQUEST, parent_correlation_id="x")),
    ("bad_uuid", message(REQUEST, session_id=5)),
    ("missing_field", message(REQUEST, correlation_id=None)),
    ("missing_field", message(REQUEST, timestamp=None)),
    ("missing_field", message(REQUEST, schema_version=None)),
    ("missing_field", message(REQUEST, prd_content=None)),
    ("bad_field", message(REQUEST, prd_content=5)),
    ("bad_field", message(REQUEST, metadata=[1])),
    ("unknown_event_type", message(REQUEST, event_type="CodegenTeleportRequest")),
    ("unknown_event_type", message(REQUEST, event_type="response")),
    ("unknown_event_type", message(REQUEST, event_type=["request"])),
    ("bad_status", message(REQUEST, status="pending")),
    ("bad_status", message(REQUEST, status=5)),
    ("bad_timestamp", message(REQUEST, timestamp="2026-01-01T00:00:00")),
    ("bad_timestamp", message(REQUEST, timestamp="yesterday")),
    ("bad_timestamp", message(REQUEST, timestamp=1_700_000_000)),
    ("bad_timestamp", message(REQUEST, timestamp="1999-12-31T23:59:59Z")),
    ("bad_timestamp", message(REQUEST, timestamp="-0001-01-01T00:00:00Z")),
    ("bad_timestamp", message(REQUEST, timestamp="+12026-01-01T00:00:00Z")),
    ("bad_timestamp", message(REQUEST, timestamp=(NOW + timedelta(hours=2)).isoformat())),
    ("bad_timestamp", message(REQUEST, timestamp="9999-12-31T23:59:59.999999-12:00")),
    ("expired", message(REQUEST, timestamp=(NOW - timedelta(days=91)).isoformat())),
    ("unsupported_schema", message(REQUEST, schema_version="2.0")),
    ("unsupported_schema", message(REQUEST, schema_version="latest")),
    ("unsupported_schema", message(REQUEST, schema_version=1)),
]
BAD_TIMES = [-1, 2**31, "12", 1.5, True]


@pytest.mark.parametrize(("expected", "value"), BAD, ids=[f"{number}-{name}" for number, (name, _) in enumerate(BAD)])
def test_what_cannot_be_stored_has_a_reason(expected: str, value: Any) -> None:
    assert reason(REQUEST, value) == expected


@pytest.mark.parametrize("value", BAD_TIMES)
def test_processing_times_are_whole_milliseconds_from_0_on(value: Any) -> None:
    assert reason(RESPONSE, message(RESPONSE, processing_time_ms=value)) == "bad_processing_time"


def test_what_an_event_calls_itself_is_what_its_topic_carries() -> None:
    for said in ("CodegenAnalysisRequest", "request"):
        assert row(REQUEST, message(REQUEST, event_type=said)).event_type is EventType.REQUEST
        assert row(REQUEST, message(REQUEST), [("event_type", said.encode())])
    assert reason(REQUEST, message(REQUEST), [("event_type", b"CodegenMixinRequest")]) == "unknown_event_type"


def test_an_event_is_known_by_its_own_id_else_by_its_content() -> None:
    own, other, plain = str(uuid4()), str(uuid4()), message(REQUEST)
    assert row(REQUEST, plain | {"event_id": own}, [("event_id", other.encode())]).event_id == own
    assert row(REQUEST, plain, [("event_id", own.encode())]).event_id == own
    assert reason(REQUEST, plain, [("event_id", b"x")]) == "bad_uuid"
    content = row(REQUEST, plain).event_id
    assert UUID(content)
    again = DECODER.decode(record(REQUEST, plain, offset=99, headers=[("other", b"x")])).event
    assert again.event_id == content
    assert row(REQUEST, plain | {"prd_content": "another"}).event_id != content


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_another_content_is_another_event(one: bytes, other: bytes) -> None:
    first, second = (
        message(REQUEST, "6b4d4ff2-0ad4-4b2c-a1a4-9c66ae1b7f5a", prd_content=raw.hex()) for raw in (one, other)
    )
    second |= {"correlation_id": first["correlation_id"], "timestamp": first["timestamp"]}
    assert (row(REQUEST, first).event_id == row(REQUEST, second).event_id) is (one == other)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("traceparent", PARENT.encode())], {"traceparent": PARENT}),
        (
            [("traceparent", PARENT.encode()), ("tracestate", b"vendor=1")],
            {"traceparent": PARENT, "tracestate": "vendor=1"},
        ),
        ([("tracestate", b"vendor=1")], {}),
        ([("traceparent", b"ff" + PARENT[2:].encode())], {}),
        ([("traceparent", PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32).encode())], {}),
        ([("traceparent", b"\xff\x00")], {}),
        ([("traceparent", PARENT.encode()), ("tracestate", b"a" * 600)], {"traceparent": PARENT}),
        ([("traceparent", PARENT.encode()), ("tracestate", b"a\0b")], {"traceparent": PARENT}),
    ],
)
def test_a_valid_trace_context_is_kept_beside_the_metadata(headers: Any, expected: dict[str, str]) -> None:
    found = row(REQUEST, message(REQUEST, metadata={"retries": 1}), headers)
    assert orjson.loads(found.metadata) == {"retries": 1} | expected


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else_than_be_refused(raw: bytes) -> None:
    assert reason(REQUEST, raw)
