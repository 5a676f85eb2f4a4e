"""Chooses the decoder of a message by looking at the message."""

from __future__ import annotations

from typing import Any, Final

from streams_app.changefeed import cockroachdb, debezium, outbox
from streams_app.changefeed.change import Change, FeedSpec, RecordLike, Resolved, Row, Undecodable
from streams_app.changefeed.text import parse, unwrapped

_DEFAULT: Final = FeedSpec()


def decode(record: RecordLike, spec: FeedSpec = _DEFAULT) -> Change | Resolved:
    """Return what one consumed message says, whichever envelope it came in.

    Raises Undecodable, and nothing else, for every message that says nothing usable.
    """
    value: Any = None if record.value is None else parse(record.value, spec)
    if type(value) is dict:
        if len(value) == 2 and "updated" in value and not record.headers:
            change = cockroachdb.decode_plain(record, value, spec)
            if change is not None:
                return change
        if "payload" in value:
            value = unwrapped(value)
    if record.headers and outbox.matches(record):
        return outbox.decode(record, value, spec)
    if value is None:
        return cockroachdb.decode_key_only(record, spec)
    if type(value) is not dict:
        raise Undecodable("not_an_object", f"the value is {type(value).__name__}")
    if "op" in value:
        if debezium.matches(value):
            return debezium.decode(record, value, spec)
        if cockroachdb.matches_enriched(value):
            return cockroachdb.decode_enriched(record, value, spec)
    if cockroachdb.matches_wrapped(value):
        return cockroachdb.decode_wrapped(record, value, spec)
    return _decode_columns(record, value, spec)


def _decode_columns(record: RecordLike, value: Row, spec: FeedSpec) -> Change | Resolved:
    if cockroachdb.matches_row(record, value):
        return cockroachdb.decode_row(record, value, spec)
    if record.key:
        raise Undecodable("unknown_envelope", "no envelope has this shape")
    resolved = cockroachdb.decode_resolved(record, value)
    if resolved is not None:
        return resolved
    if spec.key_column in value:
        raise Undecodable("missing_key", "the message has no key")
    raise Undecodable("unknown_envelope", "neither a key nor a resolved timestamp")
