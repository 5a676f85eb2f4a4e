"""The requests system itself, observed or not: a worker works off a backlog of requests that were just written."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from benchmarks.tracking.place import Place
from deploy.local.layout import PROJECT
from deploy.local.worker import Worker
from streams_app.databases import Databases

#: What is written of the changes that the workers consume.
LEVELS = ("off", "outcome")
# The steps in between are timed: not the start of the worker, and not the last stragglers.
FIRST, LAST = 0.1, 0.9
# Seconds without a step after which the backlog is done: what is left waits for answers that nobody gives.
QUIET = 3.0


async def measure(place: Place, level: str, requests: int, seed: str) -> float:
    """Steps a second of one worker. Raises RuntimeError when it makes none."""
    generate = [sys.executable, "-m", "faust", "-A", "streams_app", "generate", "--total", str(requests)]
    async with Databases(place.settings, "readonly") as databases:
        await asyncio.to_thread(
            subprocess.run, [*generate, "--seed", seed], cwd=PROJECT, check=True, capture_output=True
        )
        before = await _steps(databases)
        environment = {"STREAMS_SYSTEMS": "requests", "STREAMS_TRACKING__CONSUMPTION": level}
        worker = Worker(f"worker-{seed}", place.stack.config_path, place.stack.layout.root, environment)
        worker.start()
        try:
            return _rate(await _watch(databases, before))
        finally:
            await asyncio.to_thread(worker.stop)


async def _steps(databases: Databases) -> int:
    async def of(region: str) -> int:
        async with databases.connection(region) as connection:
            rows = await connection.execute("SELECT coalesce(sum(seq_num), 0)::int8 FROM request_status_head")
            ((steps,),) = await rows.fetchall()
            return int(steps)

    return sum(await asyncio.gather(*(of(region) for region in databases.regions.names)))


async def _watch(databases: Databases, before: int) -> list[tuple[float, int]]:
    """When how many steps had been made, from the first to the last."""
    seen: list[tuple[float, int]] = []
    began = time.monotonic()
    while not seen or time.monotonic() - seen[-1][0] < QUIET:
        steps = await _steps(databases) - before
        if steps > (seen[-1][1] if seen else 0):
            seen.append((time.monotonic(), steps))
        if not seen and time.monotonic() - began > 60:
            raise RuntimeError("the worker makes no step")
        await asyncio.sleep(0.1)
    return seen


def _rate(seen: list[tuple[float, int]]) -> float:
    last = seen[-1][1]
    begin = next(point for point in seen if point[1] >= FIRST * last)
    end = next(point for point in seen if point[1] >= LAST * last)
    if end[0] <= begin[0]:
        raise RuntimeError("too few requests to time their steps")
    return (end[1] - begin[1]) / (end[0] - begin[0])
