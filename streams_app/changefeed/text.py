"""Bytes to JSON values, refusing what a database or a later reader could not hold."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from streams_app.changefeed.change import FeedSpec, Reason, Undecodable

_GZIP_MAGIC: Final = b"\x1f\x8b"
_NUL: Final = "PostgreSQL text cannot hold a NUL character"


def parse(raw: bytes, spec: FeedSpec) -> Any:
    """Return the JSON value in `raw`.

    Raises Undecodable: oversized, compressed, not_utf8, not_json, duplicate_key, nul_in_text or too_deep.
    """
    if len(raw) > spec.max_value_bytes:
        raise Undecodable("oversized", f"{len(raw)} bytes, at most {spec.max_value_bytes} are read")
    objects = raw.count(b"{")
    try:
        value = orjson.loads(raw)
        # Only an object can say a name twice.
        canonical = orjson.dumps(value) if objects else raw
    except orjson.JSONDecodeError as error:
        raise Undecodable(_why_not_json(raw, error), str(error)) from error
    except orjson.JSONEncodeError as error:
        raise Undecodable("too_deep", str(error)) from error
    # A text that equals its own re-encoding cannot have said a name twice: no need to look closer.
    if canonical != raw and not _same_strings(raw, canonical):
        _refuse_duplicates(raw)
    # Searching from the right costs half as much: the rarest character of the pattern comes first.
    if raw.rfind(b"\\u0000") >= 0 and _holds_nul(value):
        raise Undecodable("nul_in_text", _NUL)
    # Nesting needs brackets, and few messages have as many as the limit.
    brackets = objects if raw.find(b"[") < 0 else objects + raw.count(b"[")
    if brackets > spec.max_depth and _deeper_than(value, spec.max_depth):
        raise Undecodable("too_deep", f"nested deeper than {spec.max_depth}")
    return value


def text(raw: bytes) -> str:
    """Return plain text. Raises Undecodable: not_utf8 or nul_in_text."""
    try:
        plain = raw.decode()
    except UnicodeDecodeError as error:
        raise Undecodable("not_utf8", str(error)) from error
    if "\0" in plain:
        raise Undecodable("nul_in_text", _NUL)
    return plain


def unwrapped(value: Any) -> Any:
    """Return the payload of Kafka Connect's {"schema", "payload"} wrapper, or the value itself."""
    if type(value) is dict and len(value) == 2 and "payload" in value and "schema" in value:
        schema = value["schema"]
        if schema is None or (type(schema) is dict and "type" in schema):
            return value["payload"]
    return value


def optional_text(value: Any) -> str | None:
    """Return the value if it is text, else None."""
    return value if type(value) is str else None


def _why_not_json(raw: bytes, error: orjson.JSONDecodeError) -> Reason:
    if raw.startswith(_GZIP_MAGIC):
        return "compressed"
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "too_deep" if "depth" in error.msg or "recursion" in error.msg else "not_json"


def _same_strings(raw: bytes, canonical: bytes) -> bool:
    """Tell whether both texts surely hold equally many strings: `canonical` has lost those of a repeated name.

    Quotes tell, escaped or not, unless the text may spell some of them as escapes.
    """
    return raw.rfind(b"\\u") < 0 and raw.count(b'"') == canonical.count(b'"')


def _refuse_duplicates(raw: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Undecodable("duplicate_key", "an object says a name twice")

    json.loads(raw, object_pairs_hook=unique)


def _holds_nul(value: Any) -> bool:
    rest = [value]
    while rest:
        node = rest.pop()
        if isinstance(node, str):
            if "\0" in node:
                return True
        elif isinstance(node, dict):
            rest.extend(node)
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)
    return False


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
