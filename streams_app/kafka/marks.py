"""A Mark as a changelog value and as a small object in memory. Pure.

Values are JSON: `7` for a sequence number alone, which nearly all are, else an object such as
`{"hlc":[1764000000000000000,3],"dead":{"hlc":[…]},"ended":1764000000}`; `ended` is in seconds since 1970.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

import orjson

from streams_app.changefeed import Version, VersionKind
from streams_app.delivery.ports import Mark

#: A Mark in memory: an integer when nothing of its key was set aside. Integers up to 256 take no memory at all.
Packed: TypeAlias = "int | Mark"

#: The key of a record that makes every older record of its partition void. The keys of marks are JSON strings.
VOID_KEY: Final = b"null"

_KINDS: Final = (VersionKind.SEQ, VersionKind.HLC, VersionKind.LSN)
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}
_MINOR_BITS: Final = 34  # ten digits
_MAJOR_END: Final = 2**63


class BadMarkError(ValueError):
    """A changelog record that no worker wrote."""


def encode(mark: Mark, now: int) -> bytes:
    """The changelog value of a mark that is remembered at `now` (seconds since 1970)."""
    if mark.dead is None and not mark.ended and mark.version.kind is VersionKind.SEQ:
        return b"%d" % mark.version.major
    fields = _fields(mark.version)
    if mark.dead is not None:
        fields["dead"] = _fields(mark.dead)
    if mark.ended:
        fields["ended"] = now
    return orjson.dumps(fields)


def decode_key(raw: bytes | None) -> str:
    """The key in a changelog record. Raises BadMarkError."""
    try:
        key = orjson.loads(raw or b"")
    except orjson.JSONDecodeError as error:
        raise BadMarkError(str(error)) from None
    if type(key) is not str:
        raise BadMarkError("the key is not a string")
    return key


def decode(raw: bytes) -> tuple[Packed, int | None]:
    """The mark in a changelog value, and when its key ended (seconds since 1970), or None. Raises BadMarkError."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadMarkError(str(error)) from None
    if type(value) is int:
        return _sequence(value) << 3, None
    if type(value) is not dict:
        raise BadMarkError("neither a number nor an object")
    ended = value.pop("ended", None)
    if ended is not None and (type(ended) is not int or not 0 <= ended < _MAJOR_END):
        raise BadMarkError("`ended` is not a time")
    if len(value) == 1 and "seq" in value:  # the mark of every key that ended: no objects on the way
        return _sequence(value["seq"]) << 3 | (ended is not None), ended
    dead = value.pop("dead", None)
    mark = Mark(_version(value), None if dead is None else _version(dead), ended is not None)
    return pack(mark), ended


def pack(mark: Mark) -> Packed:
    """A mark as one integer if it can be: the version, two bits for its kind, one for `ended`."""
    version = mark.version
    if mark.dead is not None or version.minor >> (_MINOR_BITS if version.kind is VersionKind.HLC else 0):
        return mark
    number = version.major << _MINOR_BITS | version.minor if version.kind is VersionKind.HLC else version.major
    return number << 3 | _CODES[version.kind] << 1 | mark.ended


@lru_cache(maxsize=4096)
def unpack(packed: Packed) -> Mark:
    """The mark again; most keys have one of a few small sequence numbers, whose marks are shared."""
    if isinstance(packed, Mark):
        return packed
    kind, number = _KINDS[packed >> 1 & 3], packed >> 3
    major, minor = divmod(number, 1 << _MINOR_BITS) if kind is VersionKind.HLC else (number, 0)
    return Mark(Version(major, minor, kind), ended=bool(packed & 1))


def has_ended(packed: Packed) -> bool:
    """Whether the key of a packed mark reached a terminal state."""
    return packed.ended if isinstance(packed, Mark) else bool(packed & 1)


def _fields(version: Version) -> dict[str, Any]:
    name = str(version.kind)
    return {name: [version.major, version.minor] if version.kind is VersionKind.HLC else version.major}


def _version(fields: Any) -> Version:
    if type(fields) is not dict or len(fields) != 1:
        raise BadMarkError("not one version")
    [(name, number)] = fields.items()
    if name not in _CODES:
        raise BadMarkError("an unknown kind of version")
    if name != VersionKind.HLC:
        return Version(_sequence(number), 0, VersionKind(name))
    if type(number) is not list or len(number) != 2:
        raise BadMarkError("a version without two parts")
    return Version(_sequence(number[0]), _sequence(number[1]), VersionKind.HLC)


def _sequence(number: Any) -> int:
    if type(number) is not int or not 0 <= number < _MAJOR_END:
        raise BadMarkError("a version that is no number")
    return number
