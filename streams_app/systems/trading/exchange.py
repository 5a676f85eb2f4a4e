"""The exchange as the order executor sees it, and how it is asked over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from streams_app import metrics
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.model import FINAL, Execution, OrderStatus, Side

T = TypeVar("T")

# What the exchange says of an order that it will never take; another answer may change when it is asked again.
_REFUSALS: Final = frozenset({400, 413, 422})
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """What the exchange is asked to do: so many contracts at `price` or better."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal


class UnknownOutcomeError(ConnectionError):
    """Nobody knows whether the exchange has the order: ask it by the order's id, or place the order again."""


class ExchangeRefusedError(ValueError):
    """The exchange will never take the order, however often it is asked."""


class Exchange(Protocol):
    """Where orders are executed, each once: an order is known by its client_order_id."""

    async def place(self, order: ExchangeOrder) -> Execution:
        """What became of an order, placed now or before. Raises UnknownOutcomeError, ExchangeRefusedError."""
        ...

    async def find(self, client_order_id: str) -> Execution | None:
        """What became of an order; None: the exchange does not have it. Raises UnknownOutcomeError."""
        ...


class HttpExchange:
    """An exchange over HTTP. Use as an async context manager, or `open` and `close` it. Nothing is tried twice here."""

    def __init__(self, settings: TradingSettings) -> None:
        self._url = settings.exchange_url.rstrip("/")
        self._timeout = settings.exchange_timeout
        self._requests = settings.exchange_requests
        # Waiting for a turn does not count as waiting for an answer.
        self._turns = asyncio.Semaphore(self._requests)
        self._session: ClientSession | None = None

    async def __aenter__(self) -> HttpExchange:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Get ready; nothing is asked yet."""
        self._session = ClientSession(
            connector=TCPConnector(limit=self._requests), timeout=ClientTimeout(total=self._timeout)
        )

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def place(self, order: ExchangeOrder) -> Execution:
        """What became of an order, placed now or before. Raises UnknownOutcomeError, ExchangeRefusedError."""
        data = {
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "qty": order.quantity,
            "price": f"{order.price:f}",
        }
        status, body = await self._ask("POST", "/orders", data)
        if status in _REFUSALS:
            raise ExchangeRefusedError(_said(status, body))
        # 409: the order is there already.
        if status not in (200, 201, 409):
            raise UnknownOutcomeError(_said(status, body))
        return _of(order.client_order_id, _read(body, _execution))

    async def find(self, client_order_id: str) -> Execution | None:
        """What became of an order; None: the exchange does not have it. Raises UnknownOutcomeError."""
        status, body = await self._ask("GET", f"/orders/{quote(client_order_id, safe='')}")
        if status == 404:
            return None
        if status != 200:
            raise UnknownOutcomeError(_said(status, body))
        return _of(client_order_id, _read(body, _execution))

    async def orders(self) -> AsyncIterator[Execution]:
        """What became of every order that the exchange has, in the order they came. Raises UnknownOutcomeError."""
        after: int | None = 0
        while after is not None:
            status, body = await self._ask("GET", f"/orders?after={after}&limit={_PAGE}")
            if status != 200:
                raise UnknownOutcomeError(_said(status, body))
            found, after = _read(body, _page)
            for execution in found:
                yield execution

    async def _ask(self, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """A status and a body. Raises UnknownOutcomeError."""
        assert self._session is not None
        body = None if data is None else orjson.dumps(data)
        headers = {"Content-Type": "application/json"} if data else None
        try:
            async with self._turns:
                with metrics.EXCHANGE_SECONDS.time():
                    async with self._session.request(
                        method, self._url + path, data=body, headers=headers, allow_redirects=False
                    ) as response:
                        said = response.status, await response.read()
            metrics.EXCHANGE_REQUESTS.labels(method, str(response.status)).inc()
            return said
        except TimeoutError:
            metrics.EXCHANGE_REQUESTS.labels(method, "none").inc()
            raise UnknownOutcomeError(f"the exchange did not answer within {self._timeout:g} s") from None
        except (ClientError, OSError) as error:
            metrics.EXCHANGE_REQUESTS.labels(method, "none").inc()
            raise UnknownOutcomeError(f"the exchange cannot be asked: {type(error).__name__}: {error}") from None


def _read(body: bytes, meaning: Callable[[Any], T]) -> T:
    """What an answer says. Raises UnknownOutcomeError when it cannot be read."""
    try:
        return meaning(orjson.loads(body))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UnknownOutcomeError(f"the answer of the exchange cannot be read: {detail}"[:200]) from None


def _execution(data: Any) -> Execution:
    status, names = OrderStatus(data["status"]), (data["client_order_id"], data["exchange_order_id"])
    if status not in FINAL or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{status} of {names}")
    if status is OrderStatus.REJECTED:
        return Execution(names[0], status, names[1], reason=str(data["reason"]))
    quantity, price = data["filled_qty"], data["filled_price"]
    # A price that is no text has gone through a float.
    if type(quantity) is not int or not isinstance(price, str) or not 0 < Decimal(price) < Decimal("Infinity"):
        raise ValueError(f"filled {quantity!r} at {price!r}")
    return Execution(names[0], status, names[1], quantity, Decimal(price))


def _page(data: Any) -> tuple[list[Execution], int | None]:
    following = data["next"]
    return [_execution(order) for order in data["orders"]], None if following is None else int(following)


def _of(client_order_id: str, found: Execution) -> Execution:
    if found.client_order_id != client_order_id:
        raise UnknownOutcomeError(f"the exchange answered of another order than {client_order_id}")
    return found


def _said(status: int, body: bytes) -> str:
    return f"the exchange answered {status}: {body[:200].decode(errors='replace')}"
