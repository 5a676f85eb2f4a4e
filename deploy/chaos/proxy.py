"""TCP proxies that misbehave as networks do: one between the workers and the PgBouncer of each region."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping
from enum import StrEnum
from typing import Any

HOST = "127.0.0.1"
CHUNK = 65_536
# Chunks under way in one direction of a connection; more wait in the sender's socket.
CHUNKS = 64


class Mode(StrEnum):
    """How the network behaves."""

    #: Everything passes.
    PASS = "pass"  # noqa: S105
    #: Nobody listens, and what was connected is cut off.
    DOWN = "down"
    #: Connections open and stay open, but nothing arrives, either way; what was sent arrives when the mode ends.
    DEAF = "deaf"
    #: Every answer comes later, by the proxy's latency.
    SLOW = "slow"
    #: What the client says arrives; instead of the answer the client gets a reset, so it cannot know what was done.
    RESET = "reset"


class Proxy:
    """One listening port whose connections go to one target. All of it in one event loop."""

    def __init__(self, port: int, target: tuple[str, int], latency: float = 1.0) -> None:
        """`latency` is how many seconds an answer is late in mode SLOW."""
        self.port = port
        self.mode = Mode.PASS
        self._target = target
        self._latency = latency
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        open_ones = list(self._connections)
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def set_mode(self, mode: Mode) -> None:
        """Behave as `mode` from now on, connections that are open included."""
        self.mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode is Mode.DOWN:
            await self.close()
        elif self._server is None:
            await self.start()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self._connections.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until an end closes it. Raises OSError when the client's side is to be reset."""
        await self._while_deaf()
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ways = [
            asyncio.create_task(self._carry(reader, there_writer, answers=False)),
            asyncio.create_task(self._carry(there_reader, writer, answers=True)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
            writer.close()
        finally:
            there_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        """Carry one direction until its sender closes; then all that was sent has been carried."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)
        reading = asyncio.create_task(_read(reader, under_way))
        try:
            while True:
                received, data = await under_way.get()
                if not data:
                    return
                await self._let_through(received, answers)
                writer.write(data)
                await writer.drain()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _let_through(self, received: float, answers: bool) -> None:
        """Return when a chunk that came at `received` may go on. Raises ConnectionResetError when it never may."""
        await self._while_deaf()
        if not answers:
            return
        loop = asyncio.get_running_loop()
        while self.mode is Mode.SLOW and (left := received + self._latency - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        if self.mode is Mode.RESET:
            raise ConnectionResetError

    async def _while_deaf(self) -> None:
        while self.mode is Mode.DEAF:
            await self._changed.wait()


async def _read(reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = await reader.read(CHUNK)
        except OSError:
            data = b""  # a sender that broke off: what it sent before is still under way
        await under_way.put((loop.time(), data))
        if not data:
            return


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of the ordinary end of stream."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxies:
    """Proxies by name in a thread of their own, for programs without an event loop."""

    def __init__(self, proxies: Mapping[str, Proxy]) -> None:
        self._proxies = dict(proxies)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxies", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        for proxy in self._proxies.values():
            self._run(proxy.start())

    def address(self, name: str) -> str:
        """HOST:PORT of a proxy."""
        return f"{HOST}:{self._proxies[name].port}"

    def set_mode(self, name: str, mode: Mode) -> None:
        """Let one proxy behave as `mode`; returns when it does."""
        self._run(self._proxies[name].set_mode(mode))

    def close(self) -> None:
        """Cut every connection and end the thread."""
        if self._thread.is_alive():
            for proxy in self._proxies.values():
                self._run(proxy.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _run(self, call: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(call, self._loop).result(10)
