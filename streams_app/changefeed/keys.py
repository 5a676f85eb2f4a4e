"""The key of a message, and whether the row agrees with it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from streams_app.changefeed.change import FeedSpec, Row, Undecodable
from streams_app.changefeed.text import parse, text, unwrapped

_JSON_OPENERS: Final = frozenset(b'[{"')

Key = tuple[str, tuple[Any, ...]]


def key_of_row(raw: bytes | None, row: Row, spec: FeedSpec) -> Key | None:
    """The key, if it is CockroachDB's array of the row's own key column alone, as it nearly always is; else None.

    Then there is nothing to read: the row has been parsed, and its word spelled as JSON is the message's key.
    """
    own = row.get(spec.key_column)
    if own and type(own) is str and orjson.dumps([own]) == raw:
        return own, (own,)
    return None


def read_key(raw: bytes | None, spec: FeedSpec) -> Key:
    """Return the key as text, and every key column as sent.

    Accepts plain text, a JSON string, an object by column name, and CockroachDB's JSON array, whose last element
    is the key (a region or a shard comes first); JSON also inside Kafka Connect's schema wrapper.
    Raises Undecodable: missing_key, bad_key, or a reason of `parse` other than not_json.
    """
    if not raw:
        raise Undecodable("missing_key", "the message has no key")
    if len(raw) > spec.max_value_bytes:
        raise Undecodable("oversized", f"a key of {len(raw)} bytes")
    if raw[0] in _JSON_OPENERS:
        # The usual array holds one word, which no JSON parser reads otherwise.
        if raw.startswith(b'["') and raw.endswith(b'"]') and raw[2:-2].replace(b"-", b"").isalnum():
            word = raw[2:-2].decode()
            return word, (word,)
        return _json_key(raw, spec)
    plain = text(raw)
    return plain, (plain,)


def is_array(raw: bytes | None) -> bool:
    """Tell whether the key is a JSON array, as only CockroachDB sends it."""
    return raw is not None and raw.startswith(b"[")


def require_key(row: Row, key: str, column: str) -> None:
    """Check that the row, where it has the key column, has the message's key in it.

    Raises Undecodable: key_mismatch.
    """
    own = row.get(column, key)
    if own != key and (type(own) is not int or str(own) != key):
        raise Undecodable("key_mismatch", f"{column} of the row is not the key of the message")


def _json_key(raw: bytes, spec: FeedSpec) -> Key:
    try:
        value = parse(raw, spec)
    except Undecodable as error:
        if error.reason == "not_json":
            raise Undecodable("bad_key", error.detail) from error
        raise
    if type(value) is dict:
        value = unwrapped(value)
    if isinstance(value, list):
        return _key_text(value[-1] if value else None), tuple(value)
    if isinstance(value, dict):
        return _key_text(value.get(spec.key_column)), tuple(value.values())
    return _key_text(value), (value,)


def _key_text(element: Any) -> str:
    if type(element) is str:
        if element:
            return element
        raise Undecodable("missing_key", "the key is empty text")
    if type(element) is int:
        return str(element)
    raise Undecodable("bad_key", f"the key column holds {type(element).__name__}, not text or an integer")
