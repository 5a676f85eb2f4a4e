"""A record of one of the thirteen topics becomes a row, or is refused with a reason. Pure, but for the clock it is
given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import ValidationError

from streams_app.changefeed import Change, FeedSpec, Op, RecordLike, Undecodable
from streams_app.changefeed.text import parse
from streams_app.delivery.events import EVENT_ID, EVENT_TYPE
from streams_app.delivery.ports import Rejected
from streams_app.systems.trace_store.model import EventType, NewEvent
from streams_app.systems.trace_store.schemas import KINDS, CodegenEvent, Kind

#: Before this nobody generated code: such a time is a mistake.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
# https://www.w3.org/TR/trace-context/: version 00, trace, span and flags; a version ff or ids of zeros are invalid.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_LONGEST_TRACESTATE: Final = 512
_REASONS: Final = {
    "session_id": "bad_uuid",
    "correlation_id": "bad_uuid",
    "parent_correlation_id": "bad_uuid",
    "event_id": "bad_uuid",
    "timestamp": "bad_timestamp",
    "schema_version": "unsupported_schema",
    "status": "bad_status",
    "processing_time_ms": "bad_processing_time",
}


@dataclass(frozen=True, slots=True)
class TraceChange(Change):
    """An event on its way through the delivery core."""

    event: NewEvent
    session: UUID


class Decoder:
    """Makes rows of records. An event's time may be so far ahead of `now()` as `tolerance`, and as far behind as
    `retention`."""

    def __init__(
        self,
        max_bytes: int,
        tolerance: timedelta,
        retention: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._spec = FeedSpec(max_value_bytes=max_bytes)
        self._ahead = -tolerance
        self._retention = retention
        self._now = now

    def decode(self, record: RecordLike) -> TraceChange:
        """The event in a record. Raises Undecodable and Rejected, whose reasons name what is wrong."""
        if record.value is None:
            raise Undecodable("null_value", "an event without payload")
        data = parse(record.value, self._spec)
        if not isinstance(data, dict):
            raise Undecodable("not_an_object", "an event must be an object")
        kind = KINDS[record.topic]
        headers = tuple(record.headers or ())
        _check_type(kind, headers, data)
        event = _validated(kind, data)
        self._check_time(event.timestamp)
        row = _row(kind, event, record.value, headers)
        place = record.topic, record.partition, record.offset
        return TraceChange(
            *place,
            row.session_id,
            None,
            Op.INSERT,
            None,
            None,
            headers,
            event.timestamp.timestamp(),
            None,
            None,
            (),
            row,
            event.session_id,
        )

    def _check_time(self, timestamp: datetime) -> None:
        age = self._now() - timestamp
        if self._ahead <= age <= self._retention:
            return
        if age < self._ahead or timestamp < EARLIEST:
            raise Rejected("bad_timestamp", f"{timestamp.isoformat()} is before 2000, or in the future")
        raise Rejected("expired", f"{timestamp.isoformat()} is older than {self._retention.days} days")


def _check_type(kind: Kind, headers: Sequence[tuple[str, bytes | None]], data: dict[str, Any]) -> None:
    """What an event calls itself is what its topic carries; it need not call itself anything."""
    said = next((value.decode("utf-8", "replace") for name, value in headers if name == EVENT_TYPE and value), None)
    named = data.get(EVENT_TYPE, said)
    if named is not None and named not in (kind.name, kind.event_type):
        raise Rejected("unknown_event_type", f"{str(named)[:80]!r}; {kind.topic} carries {kind.name}")


def _validated(kind: Kind, data: dict[str, Any]) -> CodegenEvent:
    try:
        return kind.schema.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = "missing_field" if first["type"] == "missing" else _REASONS.get(str(first["loc"][0]), "bad_field")
        raise Rejected(reason, f"{kind.name}.{name}: {first['msg']}") from None


def _row(kind: Kind, event: CodegenEvent, raw: bytes, headers: Sequence[tuple[str, bytes | None]]) -> NewEvent:
    context = _trace_context(headers)
    metadata = event.metadata | context if context else event.metadata
    correlation, parent = event.correlation_id, event.parent_correlation_id
    return NewEvent(
        event_id=_identity(event, kind.topic, raw, headers),
        session_id=_canonical(event.session_id),
        correlation_id=None if correlation is None else _canonical(correlation),
        parent_correlation_id=None if parent is None else _canonical(parent),
        event_type=kind.event_type,
        topic=kind.topic,
        timestamp=event.timestamp.isoformat(),
        status=event.status or kind.status,
        processing_time_ms=event.processing_time_ms if kind.event_type is not EventType.REQUEST else None,
        payload=raw.decode(),
        metadata=orjson.dumps(metadata).decode() if metadata else "{}",
    )


def _identity(event: CodegenEvent, topic: str, raw: bytes, headers: Sequence[tuple[str, bytes | None]]) -> str:
    """The event's own id, else one made of its topic and bytes: the same wherever and however often it is delivered."""
    if event.event_id is not None:
        return _canonical(event.event_id)
    for name, value in headers:
        if name == EVENT_ID and value:
            try:
                return str(UUID(value.decode().strip('"')))
            except ValueError:
                raise Rejected("bad_uuid", f"header {EVENT_ID}: {value[:80]!r}") from None
    return _dashed(blake2b(raw, digest_size=16, key=topic.encode()[:64]).hexdigest())


def _canonical(given: UUID) -> str:
    """As str() writes it, in half the time."""
    return _dashed(f"{given.int:032x}")


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _trace_context(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """The W3C trace context of a record, if it has a valid one."""
    if not headers:
        return {}
    found = {name: value.decode("ascii", "replace") for name, value in headers if value and name.startswith("trace")}
    if not _TRACEPARENT.fullmatch(found.get("traceparent", "")):
        return {}
    context = {"traceparent": found["traceparent"]}
    state = found.get("tracestate", "")
    if state and len(state) <= _LONGEST_TRACESTATE and state.isprintable():
        context["tracestate"] = state
    return context
