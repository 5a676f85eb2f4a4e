"""Signals and their records, as the tests of trading make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from streams_app.changefeed import Record
from streams_app.systems.trading.messages import SIGNAL_TOPIC, write_signal
from streams_app.systems.trading.model import TIMEFRAMES, Signal, named

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


def signal(number: int, price: str = "100", symbol: str = "ES", timeframe: str = "1m", **changed: Any) -> Signal:
    """The signal of a bar."""
    time = START + timedelta(seconds=number * TIMEFRAMES[timeframe])
    fields = {"signal_id": named("test", symbol, timeframe, str(number)), "time": time, "price": price}
    return Signal(symbol=symbol, timeframe=timeframe, **{**fields, **changed})


def record(made: Signal, offset: int = 0, **changed: Any) -> Record:
    """Its record, with other values where they are named; `value` may be bytes of any kind."""
    value = changed.pop("value", None)
    if value is None:
        data = orjson.loads(write_signal(made)) | changed
        value = orjson.dumps({name: each for name, each in data.items() if each is not None})
    sent = int(made.time.timestamp() * 1000)
    return Record(SIGNAL_TOPIC + made.timeframe, 0, offset, made.symbol.encode(), value, (), sent)
