"""Signals, decisions and orders as messages: JSON with decimals as text, times in ISO 8601 with their zone."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson

from streams_app.changefeed import FeedSpec, RecordLike, Undecodable
from streams_app.changefeed.text import parse
from streams_app.delivery.ports import Rejected
from streams_app.systems.trading.model import TIMEFRAMES, Decision, Order, Reading, Side, Signal

SIGNAL_TOPIC: Final = "trading.signal."
#: What an order's first event is called.
ORDER_CREATED: Final = "OrderCreated"
# Signals, decisions and orders are short.
_SPEC: Final = FeedSpec(max_value_bytes=16_384)
# What numeric(18, 6) holds; neither NaN nor an exponent.
_PRICE: Final = re.compile(r"\d{1,12}(\.\d{1,6})?")


def read_signal(record: RecordLike, symbols: Collection[str], tolerance: float) -> Signal:
    """The signal in a record of a signal topic; its time may be `tolerance` seconds after the record's.

    Raises Undecodable, and Rejected: missing_id, unknown_symbol, wrong_key, wrong_timeframe, bad_price, bad_time,
    from_the_future.
    """
    data = _object(record)
    signal_id = _uuid(data, "signal_id", "missing_id")
    symbol, timeframe = data.get("symbol"), data.get("timeframe")
    if not isinstance(symbol, str) or symbol not in symbols:
        raise Rejected("unknown_symbol", f"{str(symbol)[:40]!r} is not among trading.symbols")
    if record.key != symbol.encode():
        raise Rejected("wrong_key", f"the message's key is not its symbol {symbol}")
    if timeframe != record.topic.removeprefix(SIGNAL_TOPIC) or timeframe not in TIMEFRAMES:
        raise Rejected("wrong_timeframe", f"{str(timeframe)[:20]!r} on {record.topic}")
    time = _time(data)
    if time.timestamp() > (record.timestamp or 0) / 1000 + tolerance:
        raise Rejected("from_the_future", f"{time.isoformat()} is after the time of its sending")
    return Signal(signal_id, symbol, timeframe, time, _price(data))


def read_decision(record: RecordLike) -> Decision:
    """The decision in a record of trading.decisions. Raises Undecodable, and Rejected: bad_decision and others."""
    data = _object(record)
    decision_id, signal_id = (_uuid(data, name, "bad_decision") for name in ("decision_id", "signal_id"))
    time, price = _time(data), _price(data)
    try:
        confidence = data["confidence"]
        if not 0 <= Decimal(confidence) <= 1:
            raise ValueError("confidence is a share")
        return Decision(
            decision_id,
            int(data["sequence"]),
            signal_id,
            str(data["symbol"]),
            str(data["timeframe"]),
            time,
            price,
            Side(data["side"]),
            confidence,
            {name: Reading(**reading) for name, reading in data["windows"].items()},
        )
    except (KeyError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise Rejected("bad_decision", f"{type(error).__name__}: {error}"[:200]) from None


def write_signal(signal: Signal) -> bytes:
    """The value of a signal's message; its key is the symbol."""
    return orjson.dumps(signal)


def write_decision(decision: Decision) -> bytes:
    """The value of a decision's message; its key is the symbol."""
    return orjson.dumps(decision)


def order_payload(order: Order, region: str) -> dict[str, Any]:
    """What the event of a new order says."""
    return {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "decision_id": str(order.decision_id),
        "symbol": order.symbol,
        "side": order.side,
        "qty": order.quantity,
        "price": str(order.price),
        "confidence": str(order.confidence),
        "region": region,
    }


def _object(record: RecordLike) -> dict[str, Any]:
    if record.value is None:
        raise Undecodable("null_value", "a message without payload")
    data = parse(record.value, _SPEC)
    if not isinstance(data, dict):
        raise Undecodable("not_an_object", "a message must be an object")
    return data


def _uuid(data: dict[str, Any], name: str, reason: str) -> UUID:
    try:
        return UUID(data[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Rejected(reason, f"{name}: {str(data.get(name))[:60]!r} is no UUID") from None


def _price(data: dict[str, Any]) -> str:
    price = data.get("price")
    # A number is read as it was written: 1.10 stays what it is.
    text = price if isinstance(price, str) else repr(price) if type(price) in (int, float) else ""
    if not _PRICE.fullmatch(text) or not Decimal(text):
        raise Rejected("bad_price", f"{str(price)[:40]!r}: expected a number above 0 with at most six decimals")
    return text


def _time(data: dict[str, Any]) -> datetime:
    try:
        time = datetime.fromisoformat(data["time"])
    except (KeyError, ValueError, TypeError):
        raise Rejected("bad_time", f"{str(data.get('time'))[:40]!r}: expected ISO 8601") from None
    if time.tzinfo is None or not 2000 <= time.year < 2200:
        raise Rejected("bad_time", f"{time.isoformat()}: expected a zone, and a year of this age")
    return time.astimezone(UTC)
