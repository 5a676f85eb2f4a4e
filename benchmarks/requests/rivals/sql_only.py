"""The limit: the same SQL at the same batch size, from rows that lie decoded and deduplicated in memory."""

from __future__ import annotations

import psycopg

from benchmarks.requests.rivals.job import Job, Measured, Stopwatch
from benchmarks.requests.ways import BEST, WAYS, Way, write
from benchmarks.requests.work import row_of


def run(job: Job, way: Way = BEST) -> Measured:
    """Write all rows, one batch after the other."""
    rows = [row_of(row) for row in job.work.rows()]
    watch = Stopwatch(len(rows))
    with psycopg.connect(**job.database) as connection:
        watch.begin()
        for start in range(0, len(rows), job.batch):
            batch = rows[start : start + job.batch]
            write(connection, batch, way)
            watch.committed(len(batch))
    return watch.measured()


def run_way(job: Job, name: str) -> Measured:
    """Write all rows in the way of that name."""
    return run(job, WAYS[name])
