"""The fault proxy: every mode does to connections what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.chaos.proxy import HOST, Mode, Proxies, Proxy
from deploy.local.ports import choose

LATENCY = 0.3


class Echo:
    """A server that says back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            self.heard += data
            writer.write(data)
            await writer.drain()
        writer.close()
        self.ended.set()


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, word: bytes) -> None:
        self._writer.write(word)

    async def hear(self, seconds: float = 2) -> bytes:
        return await asyncio.wait_for(self._reader.read(1024), seconds)

    async def ask(self, word: bytes) -> bytes:
        self.say(word)
        return await self.hear()

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def echo_behind_proxy() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    target = server.sockets[0].getsockname()
    proxy = Proxy(choose(["proxy"], {}, [])["proxy"], target[:2], LATENCY)
    await proxy.start()
    try:
        yield echo, proxy
    finally:
        await proxy.close()
        server.close()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await asyncio.sleep(0.01)


async def test_pass_carries_both_ways_and_the_end_of_stream() -> None:
    async with echo_behind_proxy() as (echo, proxy):
        async with connected(proxy) as client:
            assert await client.ask(b"one") == b"one"
            large = b"x" * 300_000
            client.say(large)
            answer = b""
            while len(answer) < len(large):
                answer += await client.hear()
            assert answer == large
        await asyncio.wait_for(echo.ended.wait(), 2)


async def test_down_refuses_and_cuts_off_and_ends() -> None:
    async with echo_behind_proxy() as (_, proxy):
        async with connected(proxy) as client:
            assert await client.ask(b"one") == b"one"
            await proxy.set_mode(Mode.DOWN)
            with pytest.raises(ConnectionResetError):
                await client.hear()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, proxy.port)
        await proxy.set_mode(Mode.PASS)
        async with connected(proxy) as client:
            assert await client.ask(b"two") == b"two"


async def test_deaf_keeps_connections_and_delivers_late() -> None:
    async with echo_behind_proxy() as (echo, proxy), connected(proxy) as before:
        assert await before.ask(b"one ") == b"one "
        await proxy.set_mode(Mode.DEAF)
        before.say(b"two ")
        async with connected(proxy) as during:
            during.say(b"three")
            for client in (before, during):
                with pytest.raises(TimeoutError):
                    await client.hear(0.2)
            assert echo.heard == b"one "
            await proxy.set_mode(Mode.PASS)
            assert await before.hear() == b"two "
            assert await during.hear() == b"three"


async def test_deaf_delivers_even_what_a_client_said_that_gave_up() -> None:
    async with echo_behind_proxy() as (echo, proxy):
        async with connected(proxy) as client:
            assert await client.ask(b"one ") == b"one "
            await proxy.set_mode(Mode.DEAF)
            client.say(b"commit")
        await asyncio.sleep(0.1)
        assert echo.heard == b"one "
        await proxy.set_mode(Mode.PASS)
        await asyncio.wait_for(echo.ended.wait(), 2)
        assert echo.heard == b"one commit"


async def test_slow_delays_every_answer_once() -> None:
    clock = asyncio.get_running_loop().time
    async with echo_behind_proxy() as (_, proxy), connected(proxy) as client:
        await proxy.set_mode(Mode.SLOW)
        started = clock()
        assert await client.ask(b"one") == b"one"
        assert clock() - started >= LATENCY
        started = clock()
        for word in (b"a", b"b", b"c"):
            client.say(word)
            await asyncio.sleep(0.02)
        heard = b""
        while len(heard) < 3:
            heard += await client.hear()
        assert heard == b"abc"
        # Latency, not bandwidth: three answers under way together are late together.
        assert LATENCY <= clock() - started < 2 * LATENCY
        client.say(b"d")
        await asyncio.sleep(0.05)
        await proxy.set_mode(Mode.PASS)
        assert await client.hear(LATENCY / 2) == b"d"


async def test_reset_lets_the_word_through_and_resets_instead_of_the_answer() -> None:
    async with echo_behind_proxy() as (echo, proxy), connected(proxy) as idle, connected(proxy) as client:
        assert await idle.ask(b"zero ") == b"zero "
        assert await client.ask(b"one ") == b"one "
        await proxy.set_mode(Mode.RESET)
        with pytest.raises(ConnectionResetError):
            await client.ask(b"commit")
        assert echo.heard == b"zero one commit"
        await proxy.set_mode(Mode.PASS)
        assert await idle.ask(b" two") == b" two"


async def test_a_target_that_is_gone_is_a_reset() -> None:
    nobody = choose(["nobody"], {}, [])["nobody"]
    proxy = Proxy(choose(["proxy"], {}, [])["proxy"], (HOST, nobody))
    await proxy.start()
    try:
        async with connected(proxy) as client:
            with pytest.raises(ConnectionResetError):
                await client.hear()
    finally:
        await proxy.close()


def test_the_thread_serves_programs_without_a_loop() -> None:
    ports = choose(["a", "b", "nobody"], {}, [])
    proxies = Proxies({name: Proxy(ports[name], (HOST, ports["nobody"])) for name in ("a", "b")})
    proxies.start()
    try:
        assert proxies.address("a") == f"{HOST}:{ports['a']}"
        proxies.set_mode("a", Mode.DOWN)
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(asyncio.wait_for(asyncio.open_connection(HOST, ports["a"]), 2))
    finally:
        proxies.close()
