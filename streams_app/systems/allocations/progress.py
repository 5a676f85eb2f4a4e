"""How far the work has come, as the domains' databases say it: what was committed, read from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from streams_app.allocation_settings import DomainName
from streams_app.databases.connecting import connect_arguments
from streams_app.databases.domains import place_of
from streams_app.databases.statements import Statements
from streams_app.settings import Settings
from streams_app.systems.allocations.progress_model import NOTHING, Progress, Sample

SQL = Statements(Path(__file__).with_name("progress.sql"))
#: Seconds between samples: no time that is read from them is more exact.
INTERVAL: Final = 0.1
_COUNTED: Final[tuple[DomainName, ...]] = ("holdings", "orders", "trades", "allocations")


class Reader:
    """Reads the servers themselves, so that reading goes on while a pooler is away. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connections: dict[str, psycopg.Connection] = {}
        self._counts: dict[str, tuple[int, ...]] = {}

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def progress(self) -> Progress:
        """Progress now; a domain that does not answer counts as it did the last time."""
        for domain in _COUNTED:
            if rows := self.rows(domain, domain):
                self._counts[domain] = tuple(map(int, rows[0]))
        if len(self._counts) < len(_COUNTED):
            return NOTHING
        return Progress(*(count for domain in _COUNTED for count in self._counts[domain]))

    def everywhere(self, statement: str) -> int:
        """The sum of a number over the domains that answer."""
        return sum(int(rows[0][0]) for domain in _COUNTED if (rows := self.rows(domain, statement)))

    def rows(self, domain: DomainName, statement: str) -> list[tuple[Any, ...]] | None:
        """The rows that a domain answers with; None while it does not answer."""
        try:
            return self._connection(domain).execute(SQL[statement]).fetchall()
        except psycopg.OperationalError:
            if (broken := self._connections.pop(domain, None)) is not None:
                broken.close()
            return None

    def _connection(self, domain: DomainName) -> psycopg.Connection:
        if domain not in self._connections:
            place = place_of(self._settings, domain, "readonly")
            server = self._settings.allocations.domains[domain].server
            arguments = connect_arguments(place.login, server, "readonly", place.database)
            self._connections[domain] = psycopg.connect(**arguments)
        return self._connections[domain]


class Watch:
    """Samples in a thread of its own. Use as a context manager; `samples` grow meanwhile."""

    def __init__(self, settings: Settings, interval: float = INTERVAL) -> None:
        self.samples: list[Sample] = []
        self._settings = settings
        self._interval = interval
        #: By block order: up to which sequence number executions had become fills, and when that was seen first.
        self._filled: dict[UUID, list[tuple[int, datetime]]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    @property
    def now(self) -> Progress:
        """The last sample."""
        return self.samples[-1].progress if self.samples else NOTHING

    def waited(self) -> float:
        """Seconds that sessions have waited for locks, all together."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum((after.at - before.at) * after.waiting for before, after in pairs)

    def latencies(self) -> list[float]:
        """Seconds from each execution at the market to the fills that it became, in all accounts. Once it is closed."""
        reader = Reader(self._settings)
        rows = reader.rows("trades", "executed") or []
        reader.close()
        return delays(rows, self._filled)

    def _run(self) -> None:
        reader = Reader(self._settings)
        while not self._closed.wait(self._interval):
            self._sample(reader)
        self._sample(reader)
        reader.close()

    def _sample(self, reader: Reader) -> None:
        progress = reader.progress()
        if progress.filled != self.now.filled:
            for block, seq, at in reader.rows("allocations", "filled") or []:
                marks = self._filled.setdefault(block, [])
                if not marks or seq > marks[-1][0]:
                    marks.append((seq, at))
        self.samples.append(Sample(time.monotonic(), progress, reader.everywhere("waiting")))


def delays(executions: Sequence[tuple[Any, ...]], filled: dict[UUID, list[tuple[int, datetime]]]) -> list[float]:
    """Seconds from each execution (block order, seq, time; in this order) to the first mark at or beyond its seq."""
    found: list[float] = []
    for block, seq, executed_at in executions:
        mark = next((at for upto, at in filled.get(block, []) if upto >= seq), None)
        if mark is not None:
            found.append((mark - executed_at).total_seconds())
    return found
