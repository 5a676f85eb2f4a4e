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


class Stopwatch:
    """Runs from the first record that is processed to the last commit."""

    def __init__(self, changes: int) -> None:
        """`changes` are to be committed."""
        self._left = self._changes = changes
        self._began: float | None = None
        self._ended = 0.0

    def begin(self) -> None:
        """The first record is here; later calls change nothing."""
        if self._began is None:
            self._began = time.perf_counter()

    def committed(self, changes: int) -> bool:
        """Note a commit; returns whether it was the last."""
        self._ended = time.perf_counter()
        self._left -= changes
        return self._left <= 0

    def rate(self) -> float:
        """Changes a second. Raises RuntimeError when not all were committed."""
        if self._began is None or self._left > 0:
            raise RuntimeError(f"{self._left} of {self._changes} changes were not committed")
        return self._changes / (self._ended - self._began)


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
