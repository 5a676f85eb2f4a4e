"""The client of the exchange: each fault as it sees it, and answers that it must not take for one."""

from __future__ import annotations

import asyncio
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from streams_app.systems.trading import exchange as module
from streams_app.systems.trading.exchange import ExchangeRefusedError, UnknownOutcomeError
from streams_app.systems.trading.exchange_server import Fault
from streams_app.systems.trading.model import Execution, OrderStatus, Side

from .exchanges import answering, client, order, simulated, stats

FILLED = {
    "client_order_id": "ord-1",
    "exchange_order_id": "ex-1",
    "status": "FILLED",
    "filled_qty": 3,
    "filled_price": "6000.250000",
    "reason": None,
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def test_an_order_is_filled_at_its_price_or_better_and_can_be_found(journal: Path) -> None:
    async with simulated(journal) as (exchange, _):
        for number in range(20):
            placed = order(f"ord-{number}", side=Side.SELL if number % 2 else Side.BUY)
            execution = await exchange.place(placed)
            assert (execution.status, execution.quantity, execution.reason) == (OrderStatus.FILLED, 3, None)
            assert execution.price is not None
            better = execution.price - placed.price if number % 2 else placed.price - execution.price
            assert Decimal(0) <= better <= Decimal("0.03")
            assert await exchange.find(f"ord-{number}") == execution
        assert await exchange.find("ord-99") is None
        assert await exchange.find("../stats?x=/") is None


async def test_a_rejection_says_why(journal: Path) -> None:
    async with simulated(journal, rejects=1) as (exchange, _):
        execution = await exchange.place(order())
    assert execution == Execution("ord-1", OrderStatus.REJECTED, "ex-1", reason="insufficient margin")


async def test_an_order_that_is_placed_again_is_the_same_one(journal: Path) -> None:
    async with simulated(journal) as (exchange, address):
        first = await exchange.place(order())
        assert await exchange.place(order(price=Decimal("6000.250"))) == first
        for other in ({"side": Side.SELL}, {"quantity": 4}, {"price": Decimal(1)}, {"symbol": "NQ"}):
            with pytest.raises(ExchangeRefusedError, match=r"422.*another order"):
                await exchange.place(order(**other))
        assert (await stats(address))["accepted"] == 1


@pytest.mark.parametrize(
    ("fault", "words", "accepted"),
    [(Fault.TIMEOUT, "within 0.5 s", True), (Fault.ERROR, "503", False), (Fault.LATE_ERROR, "500", True)],
)
async def test_after_a_fault_the_outcome_is_unknown_until_it_is_asked_for(
    journal: Path, fault: Fault, words: str, accepted: bool
) -> None:
    async with simulated(journal, fault, timeout=0.5) as (exchange, address):
        with pytest.raises(UnknownOutcomeError, match=words):
            await exchange.place(order())
        found = await exchange.find("ord-1")
        assert (found is not None) == accepted
        assert (await stats(address))["faults"][fault] == 1


async def test_who_gets_no_answer_and_goes_away_leaves_nothing_behind(journal: Path) -> None:
    async with simulated(journal, Fault.TIMEOUT, timeout=0.1) as (exchange, _):
        before = asyncio.all_tasks()
        for number in range(3):
            with pytest.raises(UnknownOutcomeError):
                await exchange.place(order(f"ord-{number}"))
        _, left = await asyncio.wait(asyncio.all_tasks() - before, timeout=5)
        assert not left


async def test_a_request_that_arrives_twice_is_one_order(journal: Path) -> None:
    async with simulated(journal, Fault.DUPLICATE) as (exchange, address):
        assert (await exchange.place(order())).exchange_order_id == "ex-1"
        said = await stats(address)
    assert (said["accepted"], said["requests"], said["duplicates"]) == (1, 1, 1)


async def test_a_slow_answer_is_an_answer_and_one_too_slow_is_none(journal: Path) -> None:
    async with simulated(journal, Fault.SLOW, slow_seconds=0.05) as (exchange, address):
        assert (await exchange.place(order())).status is OrderStatus.FILLED
        assert (await stats(address))["faults"]["slow"] == 1
    async with simulated(journal, Fault.SLOW, slow_seconds=30, timeout=0.5) as (exchange, _):
        with pytest.raises(UnknownOutcomeError):
            await exchange.place(order("ord-2"))
        assert await exchange.find("ord-2") is not None


async def test_waiting_for_a_turn_is_not_waiting_for_an_answer(journal: Path) -> None:
    async with simulated(journal, Fault.SLOW, slow_seconds=0.15, timeout=0.5, requests=1) as (exchange, _):
        placed = await asyncio.gather(*(exchange.place(order(f"ord-{number}")) for number in range(5)))
    assert len({execution.exchange_order_id for execution in placed}) == 5


async def test_no_more_requests_are_under_way_than_allowed_and_connections_are_used_again() -> None:
    under_way, most, connections = 0, 0, set()

    async def answer(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        connections.add(request.transport)
        await asyncio.sleep(0)
        under_way -= 1
        name = orjson.loads(await request.read())["client_order_id"]
        return web.json_response(FILLED | {"client_order_id": name}, status=201)

    async with answering(answer, requests=3) as exchange:
        await asyncio.gather(*(exchange.place(order(f"ord-{number}")) for number in range(30)))
    assert 1 < most <= 3
    assert len(connections) <= 3


async def test_every_order_is_told_page_by_page(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    async with simulated(journal) as (exchange, _):
        assert [execution async for execution in exchange.orders()] == []
        placed = [await exchange.place(order(f"ord-{number}")) for number in range(7)]
        assert [execution async for execution in exchange.orders()] == placed


@pytest.mark.parametrize("price", ["6000.250000", "1E+3", "0.000001", "999999999999.999999"])
async def test_prices_are_exact(journal: Path, price: str) -> None:
    async with simulated(journal) as (exchange, _):
        found = (await exchange.place(order(price=Decimal(price), side=Side.SELL))).price
    assert found is not None
    assert found - Decimal(price) in [Decimal(step).scaleb(found.as_tuple().exponent) for step in range(4)]  # type: ignore[arg-type]


async def test_where_nobody_listens_the_outcome_is_unknown() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client(f"http://127.0.0.1:{taken.getsockname()[1]}") as exchange:
            with pytest.raises(UnknownOutcomeError, match="cannot be asked"):
                await exchange.place(order())
            with pytest.raises(UnknownOutcomeError):
                await exchange.find("ord-1")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{", b"hello\r\n\r\n"])
async def test_where_the_connection_is_lost_the_outcome_is_unknown(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as exchange,
    ):
        with pytest.raises(UnknownOutcomeError, match="cannot be asked"):
            await exchange.place(order())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        orjson.dumps({}),
        orjson.dumps(FILLED | {"client_order_id": "ord-2"}),
        orjson.dumps(FILLED | {"exchange_order_id": None}),
        orjson.dumps(FILLED | {"status": "OPEN"}),
        orjson.dumps(FILLED | {"status": "SENT"}),
        orjson.dumps(FILLED | {"filled_qty": "3"}),
        orjson.dumps(FILLED | {"filled_price": 6000.25}),
        orjson.dumps(FILLED | {"filled_price": None}),
        orjson.dumps(FILLED | {"filled_price": "NaN"}),
        orjson.dumps(FILLED | {"filled_price": "Infinity"}),
        orjson.dumps(FILLED | {"filled_price": "-1"}),
        orjson.dumps(FILLED | {"filled_price": "much"}),
    ],
)
async def test_an_answer_that_cannot_be_read_is_none(body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=200, body=body)

    async with answering(answer) as exchange:
        with pytest.raises(UnknownOutcomeError):
            await exchange.place(order())
        with pytest.raises(UnknownOutcomeError):
            await exchange.find("ord-1")
        with pytest.raises(UnknownOutcomeError, match="cannot be read"):
            _ = [execution async for execution in exchange.orders()]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, ExchangeRefusedError) for status in (400, 413, 422)),
        *((status, UnknownOutcomeError) for status in (302, 401, 403, 404, 408, 429, 500, 502, 503, 504)),
    ],
)
async def test_only_a_verdict_on_the_order_is_final(status: int, expected: type[Exception]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="because", headers={"Location": "/elsewhere"})

    async with answering(answer) as exchange:
        with pytest.raises(expected, match=f"answered {status}: because"):
            await exchange.place(order())
        if status != 404:
            with pytest.raises(UnknownOutcomeError):
                await exchange.find("ord-1")


async def test_an_order_that_is_there_already_is_answered_by_its_execution() -> None:
    async def answer(request: web.Request) -> web.Response:
        sent: dict[str, Any] = await request.json()
        assert sent == {"client_order_id": "ord-1", "symbol": "ES", "side": "BUY", "qty": 3, "price": "6000.25"}
        return web.json_response(FILLED, status=409)

    async with answering(answer) as exchange:
        found = await exchange.place(order())
    assert found == Execution("ord-1", OrderStatus.FILLED, "ex-1", 3, Decimal("6000.25"))
