"""Records that nobody can process: each becomes one dead letter, and disturbs no neighbour."""

from __future__ import annotations

from random import Random
from uuid import UUID

import orjson

from streams_app.topics import NEW_REQUESTS, REQUEST_SIGNALS, REQUEST_STATUS

INFO, STATUS, SIGNALS = NEW_REQUESTS.name, REQUEST_STATUS.name, REQUEST_SIGNALS.name


BadRecord = tuple[str, bytes | None, bytes | None, str]


def bad_record(rng: Random, known: UUID, locality: int) -> BadRecord:
    """Topic, key, value and the reason it is refused for; `known` is a request that exists."""
    nobody = UUID(int=rng.getrandbits(128), version=4)
    row = {"request_id": str(nobody), "locality": locality, "seq_num": 1}
    ahead = {"request_id": str(known), "locality": locality, "seq_num": 90}
    key = str(nobody).encode()
    kinds: list[BadRecord] = [
        (rng.choice((INFO, STATUS, SIGNALS)), key, b"{half a messa", "not_json"),
        (SIGNALS, key, b"\xff\xfe", "not_utf8"),
        (INFO, key, None, "null_value"),
        (INFO, None, orjson.dumps({"request_id": str(nobody)}), "missing_key"),
        (STATUS, key, b"[1]", "not_an_object"),
        (STATUS, key, _debezium(row | {"seq_num": "1"}), "bad_version"),
        (STATUS, key, _debezium(row | {"action_state_link_id": 7}), "unknown_link"),
        (INFO, key, _debezium(row | {"request_type_id": 77}), "unknown_request_type"),
        (INFO, b"me", _debezium(row | {"request_id": "me"}), "bad_request_id"),
        (SIGNALS, key, _debezium(row | {"locality": 30}), "bad_locality"),
        (SIGNALS, key, _debezium(row), "request_not_found"),
        (STATUS, str(known).encode(), _debezium(ahead), "ahead_of_head"),
        (INFO, key, _debezium(None, before=row, op="d"), "unexpected_delete"),
    ]
    return rng.choice(kinds)


def _debezium(after: object, before: object = None, op: str = "u") -> bytes:
    return orjson.dumps({"before": before, "after": after, "op": op, "source": {"lsn": 1}, "ts_ms": 1})
