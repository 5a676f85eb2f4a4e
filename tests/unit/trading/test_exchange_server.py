"""The simulated exchange: its faults repeat, its journal outlives it, and it takes no order for right that is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientSession
from click.testing import CliRunner

from streams_app.errors import StartError
from streams_app.systems.trading.exchange import UnknownOutcomeError
from streams_app.systems.trading.exchange_book import Book, read_order
from streams_app.systems.trading.exchange_commands import exchange_command
from streams_app.systems.trading.exchange_server import ExchangeServer, Fault, Faults, serving
from streams_app.systems.trading.model import Execution

from .exchanges import client, order, simulated, stats

GOOD = {"client_order_id": "ord-1", "symbol": "ES", "side": "BUY", "qty": 3, "price": "6000.25"}
RUN = "from streams_app.systems.trading.exchange_commands import exchange_command; exchange_command()"


def test_faults_happen_by_their_shares_and_again_with_the_same_seed() -> None:
    faults = Faults({Fault.TIMEOUT: 0.1, Fault.SLOW: 0.3}, seed=4)
    drawn = [faults.draw(f"ord-{number}", 0) for number in range(3000)]
    assert drawn == [Faults(faults.shares, seed=4).draw(f"ord-{number}", 0) for number in range(3000)]
    assert drawn != [Faults(faults.shares, seed=5).draw(f"ord-{number}", 0) for number in range(3000)]
    counts = Counter(drawn)
    assert set(counts) == {Fault.TIMEOUT, Fault.SLOW, None}
    assert 200 < counts[Fault.TIMEOUT] < 400
    assert 750 < counts[Fault.SLOW] < 1050
    # The next try of an order meets a fate of its own.
    tries = [faults.draw("ord-1", attempt) for attempt in range(50)]
    assert None in tries
    assert len(set(tries)) > 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"client_order_id": ""}, "client_order_id"),
        ({"client_order_id": "a" * 37}, "client_order_id"),
        ({"client_order_id": "a/b"}, "client_order_id"),
        ({"symbol": None}, "symbol"),
        ({"side": "HOLD"}, "side"),
        ({"side": ["BUY"]}, "side"),
        ({"qty": 0}, "qty"),
        ({"qty": True}, "qty"),
        ({"qty": "3"}, "qty"),
        ({"price": 6000.25}, "price"),
        ({"price": "0.0"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "-1"}, "price"),
    ],
)
def test_a_wrong_order_is_refused_with_a_sentence(other: dict[str, object], words: str) -> None:
    assert read_order(orjson.dumps(GOOD)) == order()
    with pytest.raises(ValueError, match=words):
        read_order(orjson.dumps(GOOD | other))


async def test_wrong_requests_are_answered_with_their_status(tmp_path: Path) -> None:
    async with simulated(tmp_path / "journal") as (_, address), ClientSession(address) as session:
        for body, status in ((b"{", 400), (b"[]", 400), (b" " * 20_000, 413)):
            async with session.post("/orders", data=body) as response:
                assert response.status == status
        for query in ("after=x", "after=-1", "limit=0", "limit=1001"):
            async with session.get(f"/orders?{query}") as response:
                assert response.status == 400
                assert "expected a number" in (await response.json())["error"]
        async with session.get("/health") as response:
            assert response.status == 200
        assert (await stats(address)) == {
            "accepted": 0,
            "requests": 0,
            "duplicates": 0,
            "faults": {fault.value: 0 for fault in Fault},
        }


async def test_an_order_is_created_once_and_then_is_there(tmp_path: Path) -> None:
    told = []
    async with simulated(tmp_path / "journal") as (_, address), ClientSession(address) as session:
        for _ in range(2):
            async with session.post("/orders", json=GOOD) as response:
                told.append((response.status, await response.json()))
    assert [status for status, _ in told] == [201, 409]
    assert told[0][1] == told[1][1] == told[0][1] | GOOD


def test_a_book_is_what_its_journal_says_without_a_line_that_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal"
    with Book(path, 0.5, 1) as book:
        told = [book.accept(order(f"ord-{number}"))[0] for number in range(20)]
    assert {entry["status"] for entry in told} == {"FILLED", "REJECTED"}
    with path.open("ab") as file:
        file.write(b'{"client_order_id": "half')
    with Book(path, 0, 2) as book:
        assert book.page(0, 100) == (told, None)
        assert book.accept(order("ord-3")) == (told[3], False)
        _, new = book.accept(order("ord-20"))
        assert new
    with Book(path, 0, 2) as book:
        assert len(book) == 21


def test_a_journal_that_is_none_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"client_order_id": "ord-1"}\nhello\n')
    with pytest.raises(StartError, match=r"line 2: not an order; name another --journal"), Book(path, 0, 0):
        pass
    with pytest.raises(StartError, match="name another --journal"), Book(path / "below", 0, 0):
        pass


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    async with simulated(tmp_path / "journal") as (_, address):
        port = int(address.rpartition(":")[2])
        with Book(tmp_path / "other", 0, 0) as book, pytest.raises(StartError, match=f"port {port}: .*--port"):
            async with serving(ExchangeServer(book, Faults({})), port):
                pass


def test_shares_of_more_than_all_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(exchange_command, ["--errors", "0.6", "--slow", "0.6", "--journal", str(tmp_path)])
    assert result.exit_code == 2
    result = CliRunner().invoke(exchange_command, ["--errors", "0.6", "--slow", "0.6"])
    assert "come to 1.25, expected at most 1" in result.stderr


@asynccontextmanager
async def running(journal: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command in a process of its own, and its address."""
    command = (sys.executable, "-c", RUN, "--port", "0", "--journal", str(journal), *arguments)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert process.stdout is not None
    try:
        said = (await process.stdout.readline()).decode()
        yield process, next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_no_accepted_order_is_lost_or_doubled_by_a_kill(tmp_path: Path) -> None:
    journal, names = tmp_path / "journal", [f"ord-{number}" for number in range(400)]
    answered: dict[str, Execution] = {}

    async with running(journal) as (process, address), client(address) as exchange:

        async def place(name: str) -> None:
            try:
                answered[name] = await exchange.place(order(name))
            except UnknownOutcomeError:
                return
            if len(answered) == 100:
                process.kill()

        await asyncio.gather(*map(place, names))
        assert await process.wait() == -signal.SIGKILL
    assert 100 <= len(answered) < len(names)
    faultless = ("--timeouts=0", "--errors=0", "--late-errors=0", "--duplicates=0", "--slow=0")
    async with running(journal, *faultless) as (process, address), client(address) as exchange:
        again = {name: await exchange.place(order(name)) for name in names}
        assert again.items() >= answered.items()
        assert len([execution async for execution in exchange.orders()]) == len(names)
        assert (await stats(address))["duplicates"] >= len(answered)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
