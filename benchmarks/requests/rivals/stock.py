"""The stock Faust app of two rivals: Faust's defaults on uvloop, the messages as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faust
import psycopg

from benchmarks.requests.rivals.job import Job
from benchmarks.requests.ways import write_async
from benchmarks.requests.work import PARTITIONS, Row


def stock_app(job: Job) -> tuple[Any, Any]:
    """An app without agents, and the topic."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.broker}",
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        datadir=job.folder,
        web_bind="127.0.0.1",
        web_port=job.web_port,
    )
    return app, app.topic(job.topic, key_type=bytes, value_type=bytes, value_serializer="raw")


async def write_transaction(connection: psycopg.AsyncConnection[Any], rows: Sequence[Row]) -> None:
    """Write rows in a transaction."""
    async with connection.transaction():
        await write_async(connection, rows)
