"""A committed row change as Debezium or CockroachDB puts it on a topic."""

from __future__ import annotations

from typing import Any

import orjson

from streams_app.changefeed.partitions import fnv1a_partition, murmur2_partition
from streams_app.systems.requests.model import Head, Request, Signal
from streams_app.topics import NEW_REQUESTS, REQUEST_SIGNALS, REQUEST_STATUS
from tests.simulation.databases import Committed

TOPIC_OF = {
    "request_info": NEW_REQUESTS.name,
    "request_status_head": REQUEST_STATUS.name,
    "request_signal": REQUEST_SIGNALS.name,
}
_EPOCH_NS = 1_772_323_200_000_000_000
_REGION_OF_TEN = ("us-east", "us-central", "us-west")

Message = tuple[int, bytes | None, bytes | None]


def debezium(change: Committed, partitions: int, op: str | None = None) -> Message:
    """Partition, key and value; `op` "r" for a snapshot."""
    key = str(change.key.request_id).encode()
    wall = _EPOCH_NS + int(change.time * 1e9)
    value = {
        "before": None,
        "after": row_of(change),
        "op": op or ("c" if change.created else "u"),
        "source": {"lsn": change.number, "table": change.table, "ts_ms": wall // 1_000_000, "name": "us"},
        "ts_ms": wall // 1_000_000,
    }
    return murmur2_partition(key, partitions), key, orjson.dumps(value)


def cockroachdb(change: Committed, partitions: int) -> Message:
    """Partition, key and value of the wrapped envelope with `updated` and key_column."""
    key = orjson.dumps([str(change.key.request_id)])
    updated = f"{_EPOCH_NS + int(change.time * 1e9)}.{change.number:010d}"
    return fnv1a_partition(key, partitions), key, orjson.dumps({"after": row_of(change), "updated": updated})


def cockroachdb_key_only(change: Committed, partitions: int) -> Message:
    """Partition and the primary key of the row: region, locality, request."""
    locality = change.key.locality
    key = orjson.dumps([_REGION_OF_TEN[locality // 10], locality, str(change.key.request_id)])
    return fnv1a_partition(key, partitions), key, None


def resolved(change: Committed) -> bytes:
    """CockroachDB's promise that nothing unseen before that change will come."""
    return orjson.dumps({"resolved": f"{_EPOCH_NS + int(change.time * 1e9)}.{change.number:010d}"})


def row_of(change: Committed) -> dict[str, Any]:
    """The columns of the changed row that our feeds carry."""
    row, columns = change.row, {"locality": change.key.locality, "request_id": str(change.key.request_id)}
    if isinstance(row, Head):
        return columns | {
            "action_state_link_id": row.link_id,
            "status_id": int(row.status),
            "seq_num": row.seq_num,
            "event_ts": row.event_ts.isoformat(),
        }
    if isinstance(row, Request):
        return columns | {
            "request_type_id": int(row.type_id),
            "primary_account_id": str(row.primary_account_id),
            "request_status_id": int(row.status),
            "details": orjson.dumps(row.details).decode(),
        }
    assert isinstance(row, Signal)
    return columns | {"signal_id": str(row.signal_id), "kind": row.kind.value, "actor": row.actor}
