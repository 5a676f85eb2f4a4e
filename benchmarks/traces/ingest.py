"""A worker stores what lies on the topics: how fast, and what becomes of events that come a second time."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice

from benchmarks.traces.place import Place
from deploy.local.worker import Worker
from streams_app.kafka.record_sink import TopicSink, record_sink
from streams_app.systems.trace_store.generate.generator import Blueprint, TraceRecord, records
from streams_app.topics import TRACE_TOPICS

# Timed from this share of the events on: not the start of the worker.
_FIRST = 0.1
_AT_ONCE = 5000
# Seconds in which a worker must get through.
_PATIENCE = 900.0
_INTERVAL = 0.25


async def produce(place: Place, wanted: Blueprint) -> None:
    """Put events on their topics. Raises StartError."""
    source = records(wanted)
    async with record_sink(TRACE_TOPICS, place.settings) as sink:
        while batch := list(islice(source, _AT_ONCE)):
            await sink.send(batch)


@contextmanager
def working(place: Place, group: str) -> Iterator[Worker]:
    """A worker of the trace store alone, in the consumer group `group`, until the end of the block."""
    environment = {**place.environment, "STREAMS_SYSTEMS": "trace_store", "STREAMS_APP_ID": group}
    worker = Worker(f"worker-{group}", place.stack.config_path, place.stack.layout.root, environment)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def done_by(worker: Worker) -> int:
    """How many records a worker has brought to their end; none while it does not answer."""
    try:
        text = worker.metrics()
    except OSError:
        return 0
    found = re.findall(r'^streams_records_total\{.*system="trace_store".*\} (\S+)$', text, re.MULTILINE)
    return int(sum(map(float, found)))


async def begun(worker: Worker, events: int) -> None:
    """Wait until a worker is healthy and has dealt with so many records. Raises TimeoutError."""
    async with asyncio.timeout(60):
        while True:
            if await asyncio.to_thread(_has_begun, worker, events):
                return
            await asyncio.sleep(_INTERVAL)


def _has_begun(worker: Worker, events: int) -> bool:
    return worker.health().get("status") == "ok" and done_by(worker) >= events


async def drain(place: Place, group: str, events: int) -> float:
    """Events a second of a worker that works off `events` records of its group. Raises TimeoutError."""
    with working(place, group) as worker:
        first: tuple[float, int] | None = None
        async with asyncio.timeout(_PATIENCE):
            while True:
                done, now = await asyncio.to_thread(done_by, worker), time.monotonic()
                if first is None and done >= events * _FIRST:
                    first = (now, done)
                if first is not None and done >= events:
                    break
                await asyncio.sleep(_INTERVAL)
    if now <= first[0]:
        raise RuntimeError(f"{events} events are too few to be timed")
    return (done - first[1]) / (now - first[0])


@asynccontextmanager
async def fed(place: Place, source: Iterator[TraceRecord], rate: int) -> AsyncIterator[None]:
    """So many events a second come onto the topics until the end of the block. Raises StartError."""
    async with record_sink(TRACE_TOPICS, place.settings) as sink:
        feeding = asyncio.create_task(_feed(sink, source, rate))
        try:
            yield
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(sink: TopicSink, source: Iterator[TraceRecord], rate: int) -> None:
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate) - sent
        sent += due
        await sink.send(list(islice(source, due)))
        await asyncio.sleep(0.1)
