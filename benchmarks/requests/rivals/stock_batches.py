"""A stock Faust agent that takes a thousand events at a time and writes them with the same SQL.

No table: inside `take` there is no current event, and without one a Faust table refuses to be written.
"""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from benchmarks.requests.rivals.job import Job, Measured, Seen, Stopwatch
from benchmarks.requests.rivals.stock import stock_app, write_transaction
from benchmarks.requests.rivals.worker import run_worker, stop_worker
from benchmarks.requests.work import row_of

TAKEN = 1000


def run(job: Job) -> Measured:
    """Run a worker until all changes are committed."""
    watch, seen = Stopwatch(job.work.changes), Seen()
    app, topic = stock_app(job)

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def write_batches(stream: Any) -> None:
        async with await psycopg.AsyncConnection.connect(**job.database) as connection:
            async for values in stream.take(TAKEN, within=1):
                watch.begin()
                rows = [orjson.loads(value)["after"] for value in values]
                fresh = [row_of(row) for row in rows if seen.is_new(row)]
                await write_transaction(connection, fresh)
                if watch.committed(len(fresh)):
                    stop_worker()

    run_worker(app)
    return watch.measured()
