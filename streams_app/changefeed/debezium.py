"""Debezium's PostgreSQL envelope, with its schema wrapper already taken off."""

from __future__ import annotations

from typing import Any, Final

from streams_app.changefeed import versions
from streams_app.changefeed.change import (
    Change,
    FeedSpec,
    Op,
    Reason,
    RecordLike,
    Row,
    Undecodable,
    new_change,
)
from streams_app.changefeed.keys import read_key, require_key
from streams_app.changefeed.text import optional_text

_OPS: Final = {"c": Op.INSERT, "u": Op.UPDATE, "d": Op.DELETE, "r": Op.READ}
_NOT_ROWS: Final[dict[str, Reason]] = {"t": "truncate", "m": "logical_message"}
# Finest first, so that a microsecond clock is not cut to milliseconds.
_CLOCKS: Final = (("ts_us", 1e6), ("ts_ns", 1e9), ("ts_ms", 1e3))


def matches(value: Row) -> bool:
    """Tell Debezium's envelope by its `op` and its own clock `ts_ms`, which CockroachDB's never has."""
    return type(value.get("op")) is str and "ts_ms" in value


def decode(record: RecordLike, value: Row, spec: FeedSpec) -> Change:
    """Return the change in a Debezium envelope.

    The LSN orders the changes of one row; rows of one key changed in overlapping transactions need a
    sequence column. Raises Undecodable: truncate, logical_message, bad_op, bad_row, bad_version, key_mismatch
    and the reasons of `read_key`.
    """
    op = _OPS.get(value["op"])
    if op is None:
        raise Undecodable(_NOT_ROWS.get(value["op"], "bad_op"), "the message is not about a row")
    key, parts = read_key(record.key, spec)
    before, after = _rows(value, op)
    if after is not None:
        require_key(after, key, spec.key_column)
    if before is not None:
        require_key(before, key, spec.key_column)
    source = value.get("source")
    if type(source) is not dict:
        raise Undecodable("unknown_envelope", "source is not an object")
    return new_change(
        record.topic,
        record.partition,
        record.offset,
        key,
        versions.sequence(after, spec.version_column) or versions.log_position(source.get("lsn")),
        op,
        before,
        after,
        tuple(record.headers),
        _commit_time(source),
        optional_text(source.get("table")),
        optional_text(source.get("name")),
        parts,
    )


def _rows(value: Row, op: Op) -> tuple[Row | None, Row | None]:
    before, after = value.get("before"), value.get("after")
    if before is not None and type(before) is not dict:
        raise Undecodable("bad_row", "before is not an object")
    if op is Op.DELETE:
        if after is not None:
            raise Undecodable("bad_row", "a delete has an after")
    elif type(after) is not dict:
        raise Undecodable("bad_row", "after is not an object")
    return before, after


def _commit_time(source: dict[str, Any]) -> float | None:
    for name, per_second in _CLOCKS:
        clock = source.get(name)
        if type(clock) is int:
            return clock / per_second
    return None
