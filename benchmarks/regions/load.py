"""Load by clients that ask again as soon as they were answered, all in one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop

from benchmarks.regions.figures import Measured

T = TypeVar("T")
#: One unit of work of the client of that number; returns how much was done.
Unit = Callable[[int], Awaitable[int]]
# A window that has not seen enough may last so many times as long.
LONGEST = 30


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds before anything counts, and seconds that count."""

    warm: float
    seconds: float


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in an event loop of the workers' kind."""
    found: T = uvloop.run(work)
    return found


@dataclass(slots=True)
class Tally:
    """Counts what ends within a window of moments (seconds of some clock); at least so many pieces of work.

    On a busy machine the window grows until it has them, LONGEST times its length at most.
    """

    window: Window
    began: float
    least: int
    open: bool = True
    done: int = 0
    pieces: int = 0
    durations: list[float] = field(default_factory=list)
    _seconds: float = 0.0
    _used: float = field(default_factory=time.process_time)
    _born: float = field(default_factory=time.perf_counter)

    def add(self, now: float, done: int, durations: Sequence[float]) -> None:
        """A piece of work ended: how much it was, and how long everything in it took."""
        spent = now - self.began - self.window.warm
        if spent < 0 or not self.open:
            return
        late, enough = spent >= self.window.seconds, self.pieces >= self.least
        if late and enough:
            self._close(max(self.window.seconds, self._seconds))
            return
        self.done += done
        self.pieces += 1
        self.durations += durations
        self._seconds = spent
        if spent >= LONGEST * self.window.seconds:
            self._close(spent)

    def _close(self, seconds: float) -> None:
        self.open, self._seconds = False, seconds
        self._used = (time.process_time() - self._used) / (time.perf_counter() - self._born)

    def measured(self) -> Measured:
        """What was counted, once it is closed."""
        return Measured(self.done, self._seconds, self.durations, self._used * self._seconds)


async def closed_loop(unit: Unit, clients: int, window: Window) -> Measured:
    """Let every client do one unit after another, until the window is over. No unit is broken off."""
    tally = Tally(window, time.perf_counter(), least=clients)

    async def client(number: int) -> None:
        while tally.open:
            began = time.perf_counter()
            amount = await unit(number)
            now = time.perf_counter()
            tally.add(now, amount, [now - began])

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
    return tally.measured()
