"""CockroachDB's changefeed envelopes in JSON: key_only, wrapped, bare, row, enriched, and resolved messages.

Source of the shapes: CockroachDB v25.4 documentation, changefeed-messages and changefeed-message-envelopes.
"""

from __future__ import annotations

from typing import Final

from streams_app.changefeed import versions
from streams_app.changefeed.change import (
    Change,
    FeedSpec,
    Op,
    RecordLike,
    Resolved,
    Row,
    Undecodable,
    VersionKind,
    new_change,
    new_version,
)
from streams_app.changefeed.keys import Key, is_array, key_of_row, read_key, require_key
from streams_app.changefeed.text import optional_text

_WRAPPED_FIELDS: Final = frozenset({"after", "before", "key", "topic", "updated", "mvcc_timestamp"})
_ENRICHED_OPS: Final = {"c": Op.INSERT, "u": Op.UPDATE, "d": Op.DELETE}
# Of CDC queries: `SELECT *, event_op()` adds a column of this name.
_QUERY_OPS: Final = {"insert": Op.INSERT, "update": Op.UPDATE, "upsert": Op.UPSERT, "delete": Op.DELETE}
# The row's own commit first: the other two carry the time of the scan in an initial scan or a backfill.
_CLOCKS: Final = ("mvcc_timestamp", "updated", "ts_hlc")
_NANOSECONDS: Final = 1e9
# A member looked up in its enum costs as much as a call.
_UPSERT: Final = Op.UPSERT
_HLC: Final = VersionKind.HLC


def matches_enriched(value: Row) -> bool:
    """Tell an enriched envelope, which resembles Debezium's but for its clock."""
    return type(value.get("op")) is str and "after" in value and "ts_ns" in value


def matches_wrapped(value: Row) -> bool:
    """Tell a wrapped envelope: `after`, and nothing that a changefeed's options do not add."""
    return "after" in value and _WRAPPED_FIELDS.issuperset(value)


def matches_row(record: RecordLike, value: Row) -> bool:
    """Tell a bare or row envelope: columns lie at the top, so only the key or `__crdb__` gives it away."""
    return is_array(record.key) or (bool(record.key) and "__crdb__" in value)


def decode_resolved(record: RecordLike, value: Row) -> Resolved | None:
    """Return the resolved timestamp if the message is one: no key, and nothing else in it.

    Raises Undecodable: bad_version.
    """
    inner = value.get("__crdb__", value)
    if len(value) != 1 or type(inner) is not dict or inner.keys() != {"resolved"}:
        return None
    version = versions.hybrid_clock(inner["resolved"])
    return Resolved(record.topic, record.partition, record.offset, version)


def decode_key_only(record: RecordLike, spec: FeedSpec) -> Change:
    """Return a change of which only the key is known; the delete of a row envelope looks the same.

    Raises Undecodable: null_value (the key is no array: a tombstone) and the reasons of `read_key`.
    """
    if not is_array(record.key):
        raise Undecodable("null_value", "a tombstone says nothing that its delete did not")
    return _change(record, spec, read_key(record.key, spec), Op.UNKNOWN, rows=(None, None), meta={})


def decode_plain(record: RecordLike, value: Row, spec: FeedSpec) -> Change | None:
    """Return the change in the most frequent message of all, in less time than `decode_wrapped`; None for others.

    That is a wrapped envelope of `after` and `updated`, keyed by the row's own key column alone. Of these messages
    `decode_wrapped` says the same. Raises Undecodable: bad_version.
    """
    row = value.get("after")
    key = key_of_row(record.key, row, spec) if type(row) is dict else None
    if row is None or key is None:
        return None
    wall, logical = versions.clock_parts(value["updated"])
    version = versions.sequence(row, spec.version_column) or new_version(wall, logical, _HLC)
    return new_change(
        record.topic,
        record.partition,
        record.offset,
        key[0],
        version,
        _UPSERT,
        None,
        row,
        (),
        wall / _NANOSECONDS,
        None,
        optional_text(row["crdb_region"]) if "crdb_region" in row else None,
        key[1],
    )


def decode_wrapped(record: RecordLike, value: Row, spec: FeedSpec) -> Change:
    """Return the change in a wrapped envelope, with or without diff, key_in_value and the timestamps.

    Raises Undecodable: bad_row, bad_version, key_mismatch and the reasons of `read_key`.
    """
    after = _row(value, "after")
    before = _row(value, "before") if "before" in value else None
    if after is None:
        op = Op.DELETE
    elif "mvcc_timestamp" in value and _is_scanned(value):
        op = Op.READ
    elif "before" in value:
        op = Op.INSERT if before is None else Op.UPDATE
    else:
        op = _UPSERT
    return _change(record, spec, _full_key(record, value, after, spec), op, rows=(before, after), meta=value)


def decode_row(record: RecordLike, value: Row, spec: FeedSpec) -> Change:
    """Return the change in a bare or row envelope.

    A delete in a bare envelope is a row of nulls that only a column `event_op` tells; without it the op is UPSERT.
    Raises Undecodable: bad_row, bad_version, key_mismatch and the reasons of `read_key`.
    """
    meta = _row(value, "__crdb__") or {}
    row = {name: column for name, column in value.items() if name != "__crdb__"}
    stated = value.get("event_op")
    op = _QUERY_OPS.get(stated, Op.UPSERT) if type(stated) is str else Op.UPSERT
    rows = (row, None) if op is Op.DELETE else (None, row)
    if op is not Op.DELETE and _is_scanned(meta):
        op = Op.READ
    return _change(record, spec, _full_key(record, meta, row, spec), op, rows=rows, meta=meta)


def decode_enriched(record: RecordLike, value: Row, spec: FeedSpec) -> Change:
    """Return the change in an enriched envelope, its schema wrapper already taken off.

    The time at its top is that of processing and orders nothing: the version comes from `source`, when sent.
    Raises Undecodable: bad_op, bad_row, bad_version, key_mismatch and the reasons of `read_key`.
    """
    op = _ENRICHED_OPS.get(value["op"])
    if op is None:
        raise Undecodable("bad_op", "op is none of c, u, d")
    rows = _row(value, "before"), _row(value, "after")
    if (rows[1] is None) != (op is Op.DELETE):
        raise Undecodable("bad_row", "a row after a delete, or none after an insert or update")
    source = _row(value, "source") or {}
    if op is not Op.DELETE and _is_scanned(source):
        op = Op.READ
    return _change(record, spec, _full_key(record, value, rows[1], spec), op, rows=rows, meta=source)


def _change(
    record: RecordLike, spec: FeedSpec, key: Key, op: Op, *, rows: tuple[Row | None, Row | None], meta: Row
) -> Change:
    before, after = rows
    if after is not None:
        require_key(after, key[0], spec.key_column)
    if before is not None:
        require_key(before, key[0], spec.key_column)
    clock = _clock(meta)
    version = versions.sequence(after, spec.version_column)
    if version is None and clock is not None:
        version = new_version(*clock, _HLC)
    return new_change(
        record.topic,
        record.partition,
        record.offset,
        key[0],
        version,
        op,
        before,
        after,
        tuple(record.headers),
        clock[0] / _NANOSECONDS if clock else None,
        optional_text(meta["table_name"]) if "table_name" in meta else None,
        _region(after or before, meta),
        key[1],
    )


def _row(value: Row, name: str) -> Row | None:
    row = value.get(name)
    if row is not None and type(row) is not dict:
        raise Undecodable("bad_row", f"{name} is not an object")
    return row


def _full_key(record: RecordLike, value: Row, row: Row | None, spec: FeedSpec) -> Key:
    """Read the key; key_in_value has every key column, even when key_column keys the message."""
    if "key" not in value:
        own = key_of_row(record.key, row, spec) if row is not None else None
        return own or read_key(record.key, spec)
    key, parts = read_key(record.key, spec)
    sent = value["key"]
    if isinstance(sent, dict):
        return key, tuple(sent.values())
    return key, tuple(sent) if isinstance(sent, list) else parts


def _clock(meta: Row) -> tuple[int, int] | None:
    for name in _CLOCKS:
        if name in meta:
            return versions.clock_parts(meta[name])
    return None


def _is_scanned(meta: Row) -> bool:
    """Live changes have their commit time in both timestamps; scans and backfills put theirs in the emitted one."""
    committed, emitted = meta.get("mvcc_timestamp"), meta.get("updated", meta.get("ts_hlc"))
    return committed is not None and emitted is not None and committed != emitted


def _region(row: Row | None, meta: Row) -> str | None:
    home = row.get("crdb_region") if row else None
    if type(home) is str:
        return home
    locality = meta.get("source_node_locality")
    if type(locality) is str:
        for tier in locality.split(","):
            name, _, place = tier.partition("=")
            if name == "region":
                return place
    return None
