"""Links between regions: TCP proxies in a process of their own, each of which takes half a round trip either way.

`python -m benchmarks.regions.links` reads one JSON line with the links, [[port, target port], …], says "ready",
and then takes a line with the round-trip times in seconds, one for each link, whenever they change; it ends with its
input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import cast

from deploy.local.layout import PROJECT
from deploy.local.ports import HOST


class Link:
    """One link: `round_trip` in seconds may change at any time, for what comes from then on."""

    def __init__(self, target: int) -> None:
        self.round_trip = 0.0
        self._target = target

    async def listen(self, port: int) -> asyncio.Server:
        """Take connections at `port`, and carry each to the target."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Near(self), HOST, port)

    async def reach(self, near: End) -> End:
        """A connection to the target, whose answers go to `near`. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, far = await loop.create_connection(lambda: End(self, near), HOST, self._target)
        return far


class End(asyncio.Protocol):
    """One end of a carried connection. What it hears is said by the other end, half a round trip later.

    Latency, not bandwidth: any number of chunks is under way at a time, each with a moment of its own, in order. How
    many is bounded by the clients, who wait for answers.
    """

    def __init__(self, link: Link, other: End | None) -> None:
        self._link = link
        self._other = other
        self._transport: asyncio.Transport | None = None
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Send on its way what was heard; nothing is the end."""
        loop = asyncio.get_running_loop()
        self._under_way.append((loop.time() + self._link.round_trip / 2, data))
        if self._timer is None:
            self._deliver()

    def connection_lost(self, _error: Exception | None) -> None:
        """The other end hears of it after what is under way."""
        self.data_received(b"")

    def join(self, other: End) -> None:
        """From now on `other` says what this end hears, and what it heard before."""
        self._other = other
        self._deliver()

    def say(self, data: bytes) -> None:
        """Write, or close."""
        if self._transport is not None and not self._transport.is_closing():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._other is not None and self._under_way:
            moment, data = self._under_way[0]
            if moment > loop.time():
                self._timer = loop.call_at(moment, self._deliver)
                return
            self._under_way.popleft()
            self._other.say(data)


class _Near(End):
    """The end of who connected."""

    def __init__(self, link: Link) -> None:
        super().__init__(link, None)
        self._reaching: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the target."""
        super().connection_made(transport)
        self._reaching = asyncio.create_task(self._reach())

    async def _reach(self) -> None:
        try:
            # A TCP handshake over the link takes a round trip.
            await asyncio.sleep(self._link.round_trip)
            self.join(await self._link.reach(self))
        except OSError:
            self.say(b"")


class Links:
    """The process with the links. Use as a context manager."""

    def __init__(self, links: Sequence[tuple[int, int]]) -> None:
        """`links` are pairs of a port to listen on and a target port, all on the loopback address."""
        self._links = links
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Links:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.regions.links"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C comes to the benchmark, which then ends this process by its input.
            start_new_session=True,
        )
        try:
            self._say([list(link) for link in self._links])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # Closes its input, by which it ends, and awaits it.
            with contextlib.suppress(OSError), self._process:
                pass

    def set(self, round_trips: Sequence[float]) -> None:
        """Give every link its round trip in seconds; returns when they have them."""
        self._say(list(round_trips))

    def _say(self, words: object) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the process of the links has ended")


async def serve() -> None:
    """Carry until the input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    links = []
    for port, target in json.loads(await reader.readline()):
        links.append(Link(target))
        await links[-1].listen(port)
    print("ready", flush=True)
    while line := await reader.readline():
        for link, seconds in zip(links, json.loads(line), strict=True):
            link.round_trip = seconds
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
