"""A simulated exchange: HTTP, with faults as they happen between two companies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final

import orjson
from aiohttp import web

from streams_app.errors import StartError
from streams_app.systems.trading.exchange import ExchangeOrder
from streams_app.systems.trading.exchange_book import Book, OtherOrderError, read_order

_MOST_BYTES: Final = 16_384
_MOST_ON_A_PAGE: Final = 1000
# Seconds that requests under way may take when the server ends.
_GRACE: Final = 0.5


class Fault(StrEnum):
    """What may happen to a request to place an order."""

    TIMEOUT = "timeout"  # the order is accepted, and no answer comes
    ERROR = "error"  # 503, and the order is not accepted
    LATE_ERROR = "late_error"  # 500, and the order is accepted
    DUPLICATE = "duplicate"  # the request arrives twice: what is answered is the second one
    SLOW = "slow"  # the order is accepted, and the answer takes its time


@dataclass(frozen=True, slots=True)
class Faults:
    """The share of requests that each fault happens to, and the seconds of a slow answer.

    What happens to a request follows from `seed`, the order's id, and how often it was placed before. Raises
    ValueError when the shares come to more than 1.
    """

    shares: dict[Fault, float]
    slow_seconds: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        total = sum(self.shares.values())
        if total > 1:
            raise ValueError(f"the shares of all faults come to {total:g}, expected at most 1")

    def draw(self, client_order_id: str, attempt: int) -> Fault | None:
        """What happens to a request."""
        drawn = Random(f"{self.seed}:{client_order_id}:{attempt}").random()  # noqa: S311 (repeatable on purpose)
        for fault, share in self.shares.items():
            if drawn < share:
                return fault
            drawn -= share
        return None


class ExchangeServer:
    """Answers requests out of a book, or lets faults happen."""

    def __init__(self, book: Book, faults: Faults) -> None:
        self._book = book
        self._faults = faults
        #: Since the server began: how often each order was placed, found there already, and met by which fault.
        self._placed: Counter[str] = Counter()
        self._duplicates = 0
        self._happened: Counter[Fault] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """What it can be asked."""
        return [
            web.post("/orders", self._place),
            web.get("/orders", self._page),
            web.get("/orders/{client_order_id}", self._find),
            web.get("/health", self._health),
            web.get("/stats", self._stats),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        try:
            order = read_order(await request.read())
        except ValueError as error:
            return _refusal(400, str(error))
        fault = self._faults.draw(order.client_order_id, self._placed[order.client_order_id])
        self._placed[order.client_order_id] += 1
        if fault is not None:
            self._happened[fault] += 1
        if fault is Fault.ERROR:
            return _refusal(503, "try again later")
        answer = self._accept(order)
        if fault is Fault.DUPLICATE:
            answer = self._accept(order)
        elif fault is Fault.SLOW:
            await asyncio.sleep(self._faults.slow_seconds)
        elif fault is Fault.LATE_ERROR:
            return _refusal(500, "something went wrong")
        elif fault is Fault.TIMEOUT:
            # Until whoever asks goes away.
            await asyncio.Event().wait()
        return answer

    def _accept(self, order: ExchangeOrder) -> web.Response:
        try:
            entry, new = self._book.accept(order)
        except OtherOrderError as error:
            return _refusal(422, str(error))
        self._duplicates += not new
        return _answer(201 if new else 409, entry)

    async def _find(self, request: web.Request) -> web.Response:
        entry = self._book.find(request.match_info["client_order_id"])
        return _refusal(404, "there is no such order") if entry is None else _answer(200, entry)

    async def _page(self, request: web.Request) -> web.Response:
        try:
            after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", "100"))
            if after < 0 or not 0 < limit <= _MOST_ON_A_PAGE:
                raise ValueError
        except ValueError:
            return _refusal(400, f"after: expected a number from 0 on; limit: from 1 to {_MOST_ON_A_PAGE}")
        orders, following = self._book.page(after, limit)
        return _answer(200, {"orders": orders, "next": following})

    async def _health(self, _: web.Request) -> web.Response:
        return _answer(200, {"status": "ok"})

    async def _stats(self, _: web.Request) -> web.Response:
        """Orders in the book; and since the server began: orders placed, those that were there already, faults."""
        said = {
            "accepted": len(self._book),
            "requests": self._placed.total(),
            "duplicates": self._duplicates,
            "faults": {fault.value: self._happened[fault] for fault in Fault},
        }
        return _answer(200, said)


@asynccontextmanager
async def serving(exchange: ExchangeServer, port: int, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Answer requests on `port` of `host`, 0: a free one; yields the address. Raises StartError when it is taken."""
    app = web.Application(client_max_size=_MOST_BYTES)
    app.add_routes(exchange.routes())
    # Who waits for an answer that never comes ends with the connection.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=_GRACE, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise StartError(f"port {port}: {error.strerror}; name another --port") from None
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _answer(status: int, data: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json")


def _refusal(status: int, sentence: str) -> web.Response:
    return _answer(status, {"error": sentence})
