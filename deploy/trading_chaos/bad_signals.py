"""Signals that nobody can use, made of good ones. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from streams_app.systems.trading.generate.sending import SignalRecord

#: The header of each of them, by which they are counted.
HEADER = ("chaos", b"bad")
# Behind all that a run sends.
_LONG = timedelta(days=1000)

# Makes a bad message out of what a good one says.
Maker = Callable[[dict[str, Any]], bytes]


def _with(**values: Any) -> Maker:
    return lambda signal: orjson.dumps(signal | values)


def _without(name: str) -> Maker:
    return lambda signal: orjson.dumps({key: value for key, value in signal.items() if key != name})


def _stale(signal: dict[str, Any]) -> bytes:
    return orjson.dumps(signal | {"time": datetime.fromisoformat(signal["time"]) - _LONG})


def _conflicting(signal: dict[str, Any]) -> bytes:
    """The id of a signal that was there, with another price."""
    return orjson.dumps(signal | {"price": f"{2 * Decimal(signal['price']):f}"})


#: What is wrong, and how it is made so.
MAKERS: dict[str, Maker] = {
    "unknown_symbol": _with(symbol="XYZ"),
    "price_is_nan": _with(price="NaN"),
    "negative_price": _with(price="-1.25"),
    "missing_id": _without("signal_id"),
    "stale": _stale,
    "wrong_timeframe": _with(timeframe="4h"),
    "id_conflict": _conflicting,
    "not_json": lambda signal: orjson.dumps(signal)[:-1],
}


def bad_signal(topic: str, key: bytes, good: bytes, what: str) -> SignalRecord:
    """A bad record made of the good one that is on `topic` already; `what` is one of MAKERS."""
    return SignalRecord(topic, key, MAKERS[what](orjson.loads(good)), (HEADER,))
