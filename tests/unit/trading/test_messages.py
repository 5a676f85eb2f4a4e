"""What a signal must be: everything else is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams_app.changefeed import Undecodable
from streams_app.delivery.ports import Rejected
from streams_app.systems.trading.messages import read_decision, read_signal, write_decision
from streams_app.systems.trading.rules import decide
from streams_app.systems.trading.windows import Window
from tests.unit.trading.made import record, signal

SYMBOLS = ("ES", "NQ")


def reason(changed: object) -> str:
    with pytest.raises((Rejected, Undecodable)) as raised:
        read_signal(changed, SYMBOLS, 60)  # type: ignore[arg-type]
    return raised.value.reason


def test_a_signal_is_read_as_it_was_written() -> None:
    made = signal(3, "4321.250")
    assert read_signal(record(made), SYMBOLS, 60) == made


def test_a_time_of_another_zone_is_the_same_time() -> None:
    made = signal(3)
    other = record(made, time=made.time.astimezone().isoformat())
    assert read_signal(other, SYMBOLS, 60) == made


def test_numbers_are_prices_too() -> None:
    assert read_signal(record(signal(1), price=4321.25), SYMBOLS, 60).price == "4321.25"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"symbol": "XX"}, "unknown_symbol"),
        ({"symbol": None}, "unknown_symbol"),
        ({"symbol": "NQ"}, "wrong_key"),
        ({"signal_id": None}, "missing_id"),
        ({"signal_id": "7"}, "missing_id"),
        ({"signal_id": 7}, "missing_id"),
        ({"timeframe": "5m"}, "wrong_timeframe"),
        ({"timeframe": None}, "wrong_timeframe"),
        ({"price": "NaN"}, "bad_price"),
        ({"price": "-1"}, "bad_price"),
        ({"price": -1.5}, "bad_price"),
        ({"price": "0"}, "bad_price"),
        ({"price": "1e3"}, "bad_price"),
        ({"price": "1.0000001"}, "bad_price"),
        ({"price": True}, "bad_price"),
        ({"price": None}, "bad_price"),
        ({"time": "2026-11-20T09:00:00"}, "bad_time"),
        ({"time": "yesterday"}, "bad_time"),
        ({"time": None}, "bad_time"),
        ({"time": "1999-11-20T09:00:00Z"}, "bad_time"),
        ({"time": "2026-11-21T09:00:00Z"}, "from_the_future"),
        ({"value": b'{"price": NaN}'}, "not_json"),
        ({"value": b"[]"}, "not_an_object"),
        ({"value": b"{" + b" " * 20_000 + b"}"}, "oversized"),
    ],
)
def test_what_is_wrong_with_a_signal_is_named(changed: dict[str, object], expected: str) -> None:
    assert reason(record(signal(0), **changed)) == expected


def test_a_tombstone_is_no_signal() -> None:
    assert reason(replace(record(signal(0)), value=None)) == "null_value"


def test_a_clock_may_be_a_little_ahead() -> None:
    made = record(signal(0))
    ahead = signal(0, time=signal(0).time + timedelta(seconds=60))
    assert read_signal(replace(record(ahead), timestamp=made.timestamp), SYMBOLS, 60) == ahead


def test_a_decision_is_read_as_it_was_written() -> None:
    made = signal(0)
    window = Window()
    window.add(made.price, 20)
    decision = decide(made, {"1m": window, "5m": Window(), "15m": Window()}, 20)
    assert read_decision(replace(record(made), value=write_decision(decision))) == decision


@pytest.mark.parametrize(
    "value",
    [b"{}", b'{"decision_id": "7"}', b"null", b'{"decision_id": {}}'],
)
def test_what_is_no_decision_is_refused(value: bytes) -> None:
    with pytest.raises((Rejected, Undecodable)):
        read_decision(replace(record(signal(0)), value=value))
