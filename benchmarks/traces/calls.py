"""`python -m benchmarks.traces.calls`: asks the tracer and times its answers, in a process of its own.

Reads what to ask from its standard input, and prints the seconds of every call, both as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from uuid import UUID

from benchmarks.traces.place import Place
from streams_app.databases import Databases
from streams_app.settings import load_settings
from streams_app.systems.trace_store.tracer import CodegenEventTracer
from streams_app.traced import TRUSTED

#: The three questions of the seed, and their limits in milliseconds.
LIMITS = {"trace_session_events": 50.0, "get_session_metrics": 100.0, "find_correlated_events": 20.0}
_WARM = 3


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask: sessions of about a thousand events, exchanges; each `calls` times, in turns."""

    sessions: list[str]
    exchanges: list[str]
    hours: float
    calls: int


Times = dict[str, list[float]]


def questions(place: Place, hours: float, calls: int) -> Questions:
    """What there is to ask about. Looks at every event."""
    sized = [row for rows in place.everywhere("long_sessions").values() for row in rows]
    sized.sort(key=lambda row: abs(row[1] - 1000))
    exchanges = [name for rows in place.everywhere("exchanges").values() for (name,) in rows]
    return Questions([name for name, _ in sized[:24]], exchanges, hours, calls)


async def asked(place: Place, wanted: Questions) -> Times:
    """Seconds of every call, by method, of a process that does nothing else. Raises RuntimeError when it fails."""
    command = (sys.executable, "-m", "benchmarks.traces.calls")
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **place.environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate(json.dumps(asdict(wanted)).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(errors.decode().strip()[-2000:])
    times: Times = json.loads(output)
    return times


async def ask(wanted: Questions) -> Times:
    """Ask, one call after the other. Raises what the tracer raises."""
    times: Times = {name: [] for name in LIMITS}
    async with Databases(load_settings(), "readonly", trusted=TRUSTED) as databases:
        tracer = CodegenEventTracer(databases)
        sessions = [UUID(name) for name in wanted.sessions]
        exchanges = [UUID(name) for name in wanted.exchanges]
        for number in range(-_WARM, wanted.calls):
            session, exchange = sessions[number % len(sessions)], exchanges[number % len(exchanges)]
            found = (
                await _timed(lambda: tracer.trace_session_events(session, wanted.hours)),  # noqa: B023 (called at once)
                await _timed(lambda: tracer.get_session_metrics(session)),  # noqa: B023
                await _timed(lambda: tracer.find_correlated_events(exchange)),  # noqa: B023
            )
            if number >= 0:
                for name, seconds in zip(LIMITS, found, strict=True):
                    times[name].append(seconds)
    return times


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    if not await call():
        raise RuntimeError("a question without an answer")
    return time.perf_counter() - began


if __name__ == "__main__":
    # As a worker does it: to look for cycles after every 700 new objects is a third of the time of a long answer.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    json.dump(asyncio.run(ask(Questions(**json.load(sys.stdin)))), sys.stdout)
