"""What a rival is told, the clock it is measured by, and what all of them need."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from benchmarks.requests.work import Work


@dataclass(frozen=True, slots=True)
class Job:
    """The work, and where it lies. `database` are psycopg's arguments, `web_port` is free for a worker's
    pages, `folder` for its files."""

    work: Work
    broker: str
    topic: str
    group: str
    database: dict[str, Any]
    batch: int
    web_port: int
    folder: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Changes a second, and the processor time of the rival's own process for each, in microseconds."""

    rate: float
    processor: float


class Stopwatch:
    """Runs from the first record that is processed to the last commit."""

    def __init__(self, changes: int) -> None:
        """`changes` are to be committed."""
        self._left = self._changes = changes
        self._began: float | None = None
        self._ended = self._processor = 0.0

    def begin(self) -> None:
        """The first record is here; later calls change nothing."""
        if self._began is None:
            self._began = time.perf_counter()
            self._processor = -time.process_time()

    def committed(self, changes: int) -> bool:
        """Note a commit; returns whether it was the last."""
        self._ended = time.perf_counter()
        self._left -= changes
        if self._left > 0:
            return False
        self._processor += time.process_time()
        return True

    def measured(self) -> Measured:
        """What it shows. Raises RuntimeError when not all changes were committed."""
        if self._began is None or self._left > 0:
            raise RuntimeError(f"{self._left} of {self._changes} changes were not committed")
        seconds = self._ended - self._began
        return Measured(self._changes / seconds, self._processor / self._changes * 1e6)


class Seen:
    """Dedup per key, in memory: the highest seq_num of each."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def is_new(self, row: dict[str, Any]) -> bool:
        """Whether the row's change was not seen before; it is from now on."""
        key, number = row["request_id"], row["seq_num"]
        if number <= self._highest.get(key, 0):
            return False
        self._highest[key] = number
        return True
