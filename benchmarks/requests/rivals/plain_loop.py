"""What one writes in an afternoon: a consumer, a dict, one transaction per fetch. It guarantees nothing.

A crash between commit and offset commit is not noticed, the dict is gone after a restart, and a message that cannot
be read ends it.
"""

from __future__ import annotations

import orjson
import psycopg
from confluent_kafka import Consumer

from benchmarks.requests.rivals.job import Job, Measured, Seen, Stopwatch
from benchmarks.requests.ways import write
from benchmarks.requests.work import row_of


def run(job: Job) -> Measured:
    """Consume, drop what was seen, write, commit offsets without waiting."""
    watch, seen, left = Stopwatch(job.work.changes), Seen(), job.work.records
    consumer = Consumer(
        {
            "bootstrap.servers": job.broker,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([job.topic])
    with psycopg.connect(**job.database) as connection:
        while left > 0:
            # No more than is left: it would wait for more at the end.
            messages = consumer.consume(min(job.batch, left), timeout=5)
            if not messages:
                continue
            watch.begin()
            left -= len(messages)
            rows = [orjson.loads(message.value())["after"] for message in messages]
            fresh = [row_of(row) for row in rows if seen.is_new(row)]
            write(connection, fresh)
            consumer.commit(asynchronous=True)
            watch.committed(len(fresh))
    consumer.close()
    return watch.measured()
