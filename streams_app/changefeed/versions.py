"""Versions out of sequence columns and of CockroachDB's timestamps."""

from __future__ import annotations

import re
from typing import Any, Final

from streams_app.changefeed.change import Row, Undecodable, Version, VersionKind

_HLC: Final = re.compile(r"([0-9]{1,19})\.([0-9]{10})")
_INT8_MAX: Final = 2**63 - 1


def sequence(row: Row | None, column: str | None) -> Version | None:
    """Return the version in a sequence column; None when the feed has no such column or the row lacks it.

    Raises Undecodable: bad_version, for anything but an integer from 0 to the largest INT8.
    """
    if column is None or row is None or column not in row:
        return None
    return Version(_integer(row[column], column), 0, VersionKind.SEQ)


def log_position(lsn: Any) -> Version | None:
    """Return the version of a PostgreSQL log position, if there is one. Raises Undecodable: bad_version."""
    return None if lsn is None else Version(_integer(lsn, "lsn"), 0, VersionKind.LSN)


def hybrid_clock(timestamp: Any) -> Version:
    """Return the version of an HLC text, `<wall nanoseconds>.<ten digits>`.

    The parts are compared as integers: a float would merge neighbours. Raises Undecodable: bad_version.
    """
    found = _HLC.fullmatch(timestamp) if isinstance(timestamp, str) else None
    if found is None:
        raise Undecodable("bad_version", "not an HLC timestamp")
    return Version(int(found[1]), int(found[2]), VersionKind.HLC)


def _integer(value: Any, name: str) -> int:
    # `type(...) is int` also turns away booleans, and floats such as orjson makes of integers beyond 64 bits.
    if type(value) is not int or not 0 <= value <= _INT8_MAX:
        raise Undecodable("bad_version", f"{name} is not an integer from 0 to {_INT8_MAX}")
    return value
