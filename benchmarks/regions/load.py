"""Load by clients that ask again as soon as they were answered, all in one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from benchmarks.regions.figures import Measured

T = TypeVar("T")
#: One unit of work of the client of that number; returns how much was done.
Unit = Callable[[int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds before anything counts, and seconds that count."""

    warm: float
    seconds: float


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in an event loop of the workers' kind."""
    found: T = uvloop.run(work)
    return found


async def closed_loop(unit: Unit, clients: int, window: Window) -> Measured:
    """Let every client do one unit after another; what ends within the window counts. No unit is broken off."""
    begin = time.perf_counter() + window.warm
    end = begin + window.seconds
    done, durations = 0, list[float]()

    async def client(number: int) -> None:
        nonlocal done
        while (began := time.perf_counter()) < end:
            amount = await unit(number)
            now = time.perf_counter()
            if begin <= now < end:
                done += amount
                durations.append(now - began)

    async def processor() -> float:
        await asyncio.sleep(window.warm)
        used = time.process_time()
        await asyncio.sleep(window.seconds)
        return time.process_time() - used

    async with asyncio.TaskGroup() as group:
        used = group.create_task(processor())
        for number in range(clients):
            group.create_task(client(number))
    return Measured(done, window.seconds, durations, used.result())
