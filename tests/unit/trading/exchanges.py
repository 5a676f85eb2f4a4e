"""Exchanges for tests: the simulated one on a free port, and one that answers as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.exchange import ExchangeOrder, HttpExchange
from streams_app.systems.trading.exchange_book import Book
from streams_app.systems.trading.exchange_server import ExchangeServer, Fault, Faults, serving
from streams_app.systems.trading.model import Side


def order(name: str = "ord-1", **other: Any) -> ExchangeOrder:
    """An order."""
    values: dict[str, Any] = {"symbol": "ES", "side": Side.BUY, "quantity": 3, "price": Decimal("6000.25")}
    return ExchangeOrder(name, **(values | other))


def client(address: str, timeout: float = 5, requests: int = 8) -> HttpExchange:
    """A client, not yet opened."""
    return HttpExchange(TradingSettings(exchange_url=address, exchange_timeout=timeout, exchange_requests=requests))


@asynccontextmanager
async def simulated(
    journal: Path, *faults: Fault, rejects: float = 0, slow_seconds: float = 0.1, **settings: Any
) -> AsyncIterator[tuple[HttpExchange, str]]:
    """A client of the simulated exchange, where `faults` happen to all requests in equal shares; and its address."""
    drawn = Faults({fault: 1 / len(faults) for fault in faults}, slow_seconds)
    with Book(journal, rejects, 0) as book:
        async with (
            serving(ExchangeServer(book, drawn), 0) as address,
            client(address, **settings) as exchange,
        ):
            yield exchange, address


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], **settings: Any
) -> AsyncIterator[HttpExchange]:
    """A client of an exchange that answers everything with `answer`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, client(str(server.make_url("/")), **settings) as exchange:
        yield exchange


async def stats(address: str) -> dict[str, Any]:
    """What the exchange says of itself."""
    async with ClientSession() as session, session.get(f"{address}/stats") as response:
        found: dict[str, Any] = await response.json()
        return found
