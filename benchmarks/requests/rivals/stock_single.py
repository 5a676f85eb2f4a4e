"""A stock Faust agent with one transaction per change: how most begin."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from benchmarks.requests.rivals.job import Job, Measured, Seen, Stopwatch
from benchmarks.requests.rivals.stock import stock_app
from benchmarks.requests.rivals.worker import run_worker, stop_worker
from benchmarks.requests.ways import SINGLE
from benchmarks.requests.work import row_of


def run(job: Job) -> Measured:
    """Run a worker until all changes are committed."""
    watch, seen = Stopwatch(job.work.changes), Seen()
    app, topic = stock_app(job)

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def write_each(stream: Any) -> None:
        async with await psycopg.AsyncConnection.connect(**job.database) as connection:
            async for value in stream:
                watch.begin()
                row = orjson.loads(value)["after"]
                if seen.is_new(row):
                    await connection.execute(SINGLE, row_of(row))
                    if watch.committed(1):
                        stop_worker()

    run_worker(app)
    return watch.measured()
