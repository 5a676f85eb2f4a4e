"""The orders of the simulated exchange, each once, and the file that keeps them."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from streams_app.errors import StartError
from streams_app.systems.trading.exchange import ExchangeOrder
from streams_app.systems.trading.model import OrderStatus, Side

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_PRICE: Final = re.compile(r"\d{1,12}(\.\d{1,6})?")
# So many steps of its last decimal may an order be filled better than it asks for.
_BEST: Final = 3

#: An order as the exchange tells of it: what was asked for, and what became of it.
Entry = dict[str, Any]


class OtherOrderError(ValueError):
    """The id stands for an order with another content."""


def read_order(body: bytes) -> ExchangeOrder:
    """The order in a request. Raises ValueError with a sentence."""
    data = orjson.loads(body)
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    name, symbol, quantity, price = (data.get(key) for key in ("client_order_id", "symbol", "qty", "price"))
    if not (isinstance(name, str) and _ID.fullmatch(name)):
        raise ValueError("client_order_id: expected 1 to 36 letters, digits, - and _")
    if not (isinstance(symbol, str) and 0 < len(symbol) <= 16):
        raise ValueError("symbol: expected a text of at most 16 characters")
    if data.get("side") not in (Side.BUY, Side.SELL):
        raise ValueError("side: expected BUY or SELL")
    if type(quantity) is not int or quantity < 1:
        raise ValueError("qty: expected a whole number above 0")
    if not (isinstance(price, str) and _PRICE.fullmatch(price) and Decimal(price)):
        raise ValueError("price: expected a decimal number above 0, as text")
    return ExchangeOrder(name, symbol, Side(data["side"]), quantity, Decimal(price))


class Book:
    """Every order that was accepted, as it stands in the journal, a line each. Use as a context manager.

    A share of them, `rejects`, is rejected; the others are filled at their price or a little better. Which, and how,
    follows from `seed` and the order's id.
    """

    def __init__(self, journal: Path, rejects: float, seed: int) -> None:
        self._path = journal
        self._rejects = rejects
        self._seed = seed
        self._entries: list[Entry] = []
        self._by_id: dict[str, Entry] = {}

    def __enter__(self) -> Book:
        """Read what is there. Raises StartError when the journal cannot be read or written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            self._load()
            # Without a buffer: a line is the system's before the answer goes out, and outlives the process.
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise StartError(f"{self._path}: {error.strerror}; name another --journal") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def accept(self, order: ExchangeOrder) -> tuple[Entry, bool]:
        """The order as it stands in the book, and whether it is new. Raises OtherOrderError."""
        known = self._by_id.get(order.client_order_id)
        if known is not None:
            if (known["symbol"], known["side"], known["qty"], Decimal(known["price"])) != (
                order.symbol,
                order.side,
                order.quantity,
                order.price,
            ):
                raise OtherOrderError(f"client_order_id: {order.client_order_id} stands for another order")
            return known, False
        entry = self._executed(order)
        self._file.write(orjson.dumps(entry) + b"\n")
        self._add(entry)
        return entry, True

    def find(self, client_order_id: str) -> Entry | None:
        """An order, if it is there."""
        return self._by_id.get(client_order_id)

    def page(self, after: int, limit: int) -> tuple[list[Entry], int | None]:
        """The orders that follow the first `after` ones, and what to ask for next; None: there are no more."""
        end = after + limit
        return self._entries[after:end], end if end < len(self._entries) else None

    def _executed(self, order: ExchangeOrder) -> Entry:
        rng = Random(f"{self._seed}:{order.client_order_id}")  # noqa: S311 (repeatable on purpose)
        rejected = rng.random() < self._rejects
        step = Decimal(1).scaleb(int(order.price.as_tuple().exponent))
        better = int(rng.random() * (_BEST + 1)) * step
        price = order.price + better if order.side is Side.SELL else max(order.price - better, step)
        return {
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "qty": order.quantity,
            "price": f"{order.price:f}",
            "exchange_order_id": f"ex-{len(self._entries) + 1}",
            "status": OrderStatus.REJECTED if rejected else OrderStatus.FILLED,
            "filled_qty": 0 if rejected else order.quantity,
            "filled_price": None if rejected else f"{price:f}",
            "reason": "insufficient margin" if rejected else None,
        }

    def _load(self) -> None:
        raw = self._path.read_bytes()
        # A line without its end was never answered: it goes, so that the next one begins anew.
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            os.truncate(self._path, len(whole))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._add(orjson.loads(line))
            except (orjson.JSONDecodeError, KeyError, TypeError):
                raise StartError(f"{self._path}, line {number}: not an order; name another --journal") from None

    def _add(self, entry: Entry) -> None:
        self._by_id[entry["client_order_id"]] = entry
        self._entries.append(entry)
