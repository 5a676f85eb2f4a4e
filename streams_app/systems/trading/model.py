"""Signals, decisions and orders as plain data."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

#: Every timeframe, and the seconds of one bar of it (seed 004).
TIMEFRAMES: Final = {"1m": 60, "5m": 300, "15m": 900}
# Names of ours are made of names: given again, they are the same.
_NAMESPACE: Final = UUID("5b0a3a5e-6f43-5d0c-9a77-1d1d2b7c0c04")


def named(*parts: str) -> UUID:
    """The id of what these names together mean, the same wherever and whenever it is asked for."""
    return uuid5(_NAMESPACE, "/".join(parts))


def locality_of_symbol(symbol: str) -> int:
    """The hash bucket 0–29 that the orders of a symbol live in: crc32 of its UTF-8 bytes, modulo 30."""
    return zlib.crc32(symbol.encode()) % 30


class Side(StrEnum):
    """What a decision says to do."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class OrderStatus(StrEnum):
    """How far an order has come: SENT means that the exchange may have it."""

    NEW = "NEW"
    SENT = "SENT"
    FILLED = "FILLED"
    REJECTED = "REJECTED"


#: An order in one of these states stays in it.
FINAL: Final = frozenset({OrderStatus.FILLED, OrderStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Signal:
    """A price of a symbol at the end of a bar. `price` is a decimal number as it was written."""

    signal_id: UUID
    symbol: str
    timeframe: str
    time: datetime
    price: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a decision saw of one timeframe: how many signals of the symbol had come, and the moves up less the moves
    down between the last ones of them."""

    seen: int
    net: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one signal. `sequence` numbers the decisions of a symbol from 1, `confidence` is a share with
    four decimals, `windows` holds a reading of each timeframe."""

    decision_id: UUID
    sequence: int
    signal_id: UUID
    symbol: str
    timeframe: str
    time: datetime
    price: str
    side: Side
    confidence: str
    windows: dict[str, Reading]


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is made of a decision. All ids are made of the decision's."""

    order_id: UUID
    client_order_id: str
    decision_id: UUID
    event_id: UUID
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    confidence: Decimal


@dataclass(frozen=True, slots=True)
class Execution:
    """What the exchange made of an order: FILLED with its quantity and price, or REJECTED with a reason."""

    client_order_id: str
    status: OrderStatus
    exchange_order_id: str
    quantity: int = 0
    price: Decimal | None = None
    reason: str | None = None
