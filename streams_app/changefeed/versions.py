"""Versions out of sequence columns and of CockroachDB's timestamps."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from streams_app.changefeed.change import Row, Undecodable, Version, VersionKind, new_version

_WALL_DIGITS: Final = 19
_LOGICAL_DIGITS: Final = 10
# Of nearly all timestamps.
_NO_LOGICAL: Final = "0" * _LOGICAL_DIGITS
_INT8_MAX: Final = 2**63 - 1
# A member looked up in its enum costs as much as a call.
_SEQ: Final = VersionKind.SEQ
_HLC: Final = VersionKind.HLC
_LSN: Final = VersionKind.LSN


def sequence(row: Row | None, column: str | None) -> Version | None:
    """Return the version in a sequence column; None when the feed has no such column or the row lacks it.

    Raises Undecodable: bad_version, for anything but an integer from 0 to the largest INT8.
    """
    if column is None or row is None or column not in row:
        return None
    return _numbered(_integer(row[column], column))


def log_position(lsn: Any) -> Version | None:
    """Return the version of a PostgreSQL log position, if there is one. Raises Undecodable: bad_version."""
    return None if lsn is None else new_version(_integer(lsn, "lsn"), 0, _LSN)


def hybrid_clock(timestamp: Any) -> Version:
    """Return the version of an HLC text, `<wall nanoseconds>.<ten digits>`.

    The parts are compared as integers: a float would merge neighbours. Raises Undecodable: bad_version.
    """
    wall, logical = clock_parts(timestamp)
    return new_version(wall, logical, _HLC)


def clock_parts(timestamp: Any) -> tuple[int, int]:
    """Return wall nanoseconds and logical counter of an HLC text. Raises Undecodable: bad_version."""
    if type(timestamp) is str and timestamp.isascii():
        wall, _, logical = timestamp.partition(".")
        if wall.isdigit() and len(wall) <= _WALL_DIGITS:
            if logical == _NO_LOGICAL:
                return int(wall), 0
            if logical.isdigit() and len(logical) == _LOGICAL_DIGITS:
                return int(wall), int(logical)
    raise Undecodable("bad_version", "not an HLC timestamp")


@lru_cache(maxsize=4096)
def _numbered(number: int) -> Version:
    """The version of a sequence number: most are small and come again with every key."""
    return Version(number, 0, _SEQ)


def _integer(value: Any, name: str) -> int:
    # `type(...) is int` also turns away booleans, and floats such as orjson makes of integers beyond 64 bits.
    if type(value) is not int or not 0 <= value <= _INT8_MAX:
        raise Undecodable("bad_version", f"{name} is not an integer from 0 to {_INT8_MAX}")
    return value
