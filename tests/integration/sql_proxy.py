"""A proxy that speaks enough of the PostgreSQL protocol to lie about commits: every failure a commit can meet."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from streams_app.settings import Settings

HOST = "127.0.0.1"
# What asks for an encrypted connection, in place of a first message.
_ENCRYPTION = {80877103, 80877104}


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one COMMIT, and what its client hears."""

    name: str
    committed: bool
    #: The SQLSTATE of the answer; None: no answer, the connection is cut.
    state: str | None = None
    #: After the answer the server closes the connection.
    fatal: bool = False


SERIALIZATION = Fault("serialization", committed=False, state="40001")
DEADLOCK = Fault("deadlock", committed=False, state="40P01")
UNKNOWN_DONE = Fault("unknown, done", committed=True, state="40003")
UNKNOWN_UNDONE = Fault("unknown, undone", committed=False, state="40003")
CUT_DONE = Fault("cut, done", committed=True)
CUT_UNDONE = Fault("cut, undone", committed=False)
CONNECTION_FAILURE = Fault("connection failure, done", committed=True, state="08006", fatal=True)
SHUTDOWN = Fault("shutdown, undone", committed=False, state="57P01", fatal=True)
FAULTS = (
    SERIALIZATION,
    DEADLOCK,
    UNKNOWN_DONE,
    UNKNOWN_UNDONE,
    CUT_DONE,
    CUT_UNDONE,
    CONNECTION_FAILURE,
    SHUTDOWN,
)


class SqlProxy:
    """Listens in a thread of its own and asks `draw` at every COMMIT which fault to do, None for none."""

    def __init__(self, target: str, draw: Callable[[], Fault | None]) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._draw = draw
        self.done: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sql proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.address = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, HOST, 0)

    def close(self) -> None:
        """Cut every connection."""

        async def end() -> None:
            self._server.close()
            # A connection that was just accepted begins a task of its own after this.
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers, pending = [writer], list[Fault]()
        ways: list[asyncio.Task[None]] = []
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            writers.append(there_writer)
            ways.append(asyncio.create_task(self._questions(reader, writer, there_writer, pending)))
            ways.append(asyncio.create_task(self._answers(there_reader, writer, pending)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # asyncio logs a handler that ends so
        finally:
            for way in ways:
                way.cancel()
            for one in writers:
                one.close()
            await asyncio.gather(*ways, *(one.wait_closed() for one in writers), return_exceptions=True)

    async def _questions(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamWriter,
        pending: list[Fault],
    ) -> None:
        while True:
            first = await _body(reader)
            if int.from_bytes(first[:4], "big") not in _ENCRYPTION:
                break
            writer.write(b"N")
        there.write(struct.pack("!I", len(first) + 4) + first)
        while True:
            kind, body = await reader.readexactly(1), await _body(reader)
            if _text(kind, body) == b"COMMIT" and (fault := self._draw()) is not None:
                pending.append(fault)
                self.done[fault.name] += 1
                if not fault.committed:
                    body = body.replace(b"COMMIT", b"ROLLBACK")
            there.write(_message(kind, body))
            await there.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pending: list[Fault]) -> None:
        while True:
            kind, body = await reader.readexactly(1), await _body(reader)
            if not (pending and kind == b"C" and body.startswith((b"COMMIT", b"ROLLBACK"))):
                writer.write(_message(kind, body))
                await writer.drain()
                continue
            fault = pending.pop()
            if fault.state is not None:
                writer.write(_error(fault))
                await writer.drain()
            if fault.state is None or fault.fatal:
                return


async def _body(reader: asyncio.StreamReader) -> bytes:
    [length] = struct.unpack("!I", await reader.readexactly(4))
    return await reader.readexactly(length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _text(kind: bytes, body: bytes) -> bytes | None:
    """The statement of a Query or Parse message."""
    if kind == b"Q":
        return body.rstrip(b"\0").strip()
    if kind == b"P":
        return body.split(b"\0")[1].strip()
    return None


def _error(fault: Fault) -> bytes:
    assert fault.state is not None
    severity = b"FATAL" if fault.fatal else b"ERROR"
    fields = (b"S" + severity, b"V" + severity, b"C" + fault.state.encode(), b"Minjected: " + fault.name.encode())
    return _message(b"E", b"".join(field + b"\0" for field in fields) + b"\0")


class Plan:
    """The faults of the next commits, in order; then none."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def __call__(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None


@contextmanager
def behind_proxy(settings: Settings, region: str, plan: Plan) -> Iterator[Settings]:
    """Settings that reach one region through a proxy."""
    known = settings.regions[region]
    with closing(SqlProxy(known.pooler, plan)) as proxy:
        changed = {**settings.regions, region: known.model_copy(update={"pooler": proxy.address})}
        yield settings.model_copy(update={"regions": changed})
