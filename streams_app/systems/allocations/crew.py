"""The workers of a simulation: processes of the application, started, awaited, killed, and ended with it."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from streams_app.errors import StartError

_HOST: Final = "127.0.0.1"
# Ports beyond may be held by a connection that goes out, at the moment a worker wants to listen.
_PORTS: Final = range(20_000, 32_000)
_STOP_SECONDS: Final = 20.0
_RETRIES: Final = re.compile(r"^streams_retries_total\{.*\} (\S+)$", re.MULTILINE)


class Member:
    """One worker."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._port = _free_port()
        self._environment = {**os.environ, **environment, "STREAMS_DATA_DIR": str(folder / name)}
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process, also after it ended; it is not ready yet."""
        command = [sys.executable, "-m", "faust", "-A", "streams_app", "-L", "uvloop", "worker"]
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *("--loglevel", "info", "--web-port", str(self._port)),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C goes to the simulation, which stops its workers in order.
                start_new_session=True,
            )

    async def kill(self) -> None:
        """SIGKILL, and return when it is gone."""
        if self._process is not None and self.running:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, insist after some seconds."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    async def ask(self, session: ClientSession, page: str) -> str:
        """What a page of it says; empty while nobody answers."""
        with suppress(ClientError, TimeoutError):
            async with session.get(f"http://{_HOST}:{self._port}{page}") as answer:
                return await answer.text()
        return ""


class Crew:
    """Some workers of one application. Use as an async context manager: they end with it, whatever happens."""

    def __init__(self, count: int, environment: Mapping[str, str], folder: Path) -> None:
        """`environment` is what all have beside that of this process; logs and local files go to `folder`."""
        self._members = [Member(f"worker-{number}", environment, folder) for number in range(1, count + 1)]
        self.kills = 0

    async def __aenter__(self) -> Crew:
        self._session = ClientSession(timeout=ClientTimeout(total=2.0))
        await asyncio.gather(*(member.start() for member in self._members))
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(member.stop() for member in self._members))
        await self._session.close()

    async def ready(self, seconds: float = 60.0) -> None:
        """Wait until all are well and have partitions. Raises StartError with the end of a log."""
        try:
            async with asyncio.timeout(seconds):
                for member in self._members:
                    await self._ready(member)
        except TimeoutError:
            raise StartError(f"workers were not ready after {seconds:.0f} s{_tail(self._members[0])}") from None

    async def kill(self) -> None:
        """Kill a worker with SIGKILL, and start it again."""
        member = random.choice(self._members)  # noqa: S311
        await member.kill()
        self.kills += 1
        await member.start()

    def check(self) -> None:
        """Raises StartError when a worker has ended by itself."""
        for member in self._members:
            if not member.running:
                raise StartError(f"{member.name} has ended{_tail(member)}")

    async def retries(self) -> int:
        """Transactions that were made again, by those who live."""
        pages = await asyncio.gather(*(member.ask(self._session, "/metrics") for member in self._members))
        return int(sum(float(count) for page in pages for count in _RETRIES.findall(page)))

    async def lag(self) -> int | None:
        """Records that wait on topics; None while somebody does not answer."""
        healths = await asyncio.gather(*map(self._health, self._members))
        return sum(health["lag"] for health in healths) if all("lag" in health for health in healths) else None

    async def _health(self, member: Member) -> Mapping[str, Any]:
        page = await member.ask(self._session, "/health")
        found: dict[str, Any] = orjson.loads(page) if page.startswith("{") else {}
        return found

    async def _ready(self, member: Member) -> None:
        while not _is_ready(await self._health(member)):
            self.check()
            await asyncio.sleep(0.1)


def _is_ready(health: Mapping[str, Any]) -> bool:
    return health.get("status") == "ok" and health.get("partitions", 0) > 0


def _tail(member: Member) -> str:
    lines = member.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return "\n".join([f"; the end of {member.log}:", *lines])


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((_HOST, port))
                return port
