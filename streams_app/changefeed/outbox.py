"""Outbox records as Debezium's EventRouter publishes them: the payload in the value, all else in headers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from streams_app.changefeed import versions
from streams_app.changefeed.change import Change, FeedSpec, Op, RecordLike, Undecodable, new_change
from streams_app.changefeed.keys import is_array, read_key
from streams_app.changefeed.text import parse

# Epoch numbers of this century have 13 digits in milliseconds and 16 in microseconds.
_PER_SECOND: Final = {13: 1e3, 16: 1e6}


def matches(record: RecordLike) -> bool:
    """Tell an outbox record by its headers, an event's identity and its type; an array key is CockroachDB's."""
    names = {name for name, _ in record.headers}
    return "event_type" in names and ("event_id" in names or "id" in names) and not is_array(record.key)


def decode(record: RecordLike, value: Any, spec: FeedSpec) -> Change:
    """Return the event as an insert keyed by the aggregate's id, its payload as `after`.

    `value` is the parsed payload; a JSON text within a JSON string (JsonConverter, not expanded) is opened.
    The event's identity and type stay in the headers. Raises Undecodable: null_value, not_an_object,
    key_mismatch (aggregate_id is not the key), bad_version and the reasons of `read_key` and `parse`.
    """
    if value is None:
        raise Undecodable("null_value", "an outbox event without payload")
    if isinstance(value, str):
        value = parse(value.encode(), spec)
    if not isinstance(value, dict):
        raise Undecodable("not_an_object", "the payload of an outbox event must be an object")
    key, parts = read_key(record.key, spec)
    headers = dict(record.headers)
    aggregate = headers.get("aggregate_id")
    if aggregate and read_key(aggregate, spec)[0] != key:
        raise Undecodable("key_mismatch", "aggregate_id is not the key of the message")
    return new_change(
        record.topic,
        record.partition,
        record.offset,
        key,
        versions.sequence(value, spec.version_column),
        Op.INSERT,
        None,
        value,
        tuple(record.headers),
        _occurred_at(headers.get("occurred_at")),
        None,
        None,
        parts,
    )


def _occurred_at(header: bytes | None) -> float | None:
    """Read an epoch number (milliseconds or microseconds) or an ISO 8601 time; None if it is neither."""
    if not header:
        return None
    stamp = header.decode("ascii", "replace").strip('"')
    if stamp.isascii() and stamp.isdigit():
        per_second = _PER_SECOND.get(len(stamp))
        return int(stamp) / per_second if per_second else None
    try:
        moment = datetime.fromisoformat(stamp)
        # The router takes timestamp columns without a zone; they are written in UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        return None
