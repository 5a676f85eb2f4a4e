"""The work: the same signals through a worker under each guarantee, and what a read_committed consumer sees of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.worker import Worker
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.reading import partition_counts, reader, whole_topics
from streams_app.kafka.record_sink import record_sink
from streams_app.settings import Settings
from streams_app.systems.trading.generate.sending import signal_record
from streams_app.systems.trading.generate.signals import Market, count, signals
from streams_app.systems.trading.messages import SIGNAL_TOPIC, write_signal
from streams_app.systems.trading.model import Signal, named
from streams_app.topics import DECISIONS, SIGNAL_TOPICS, signals_changelog

WAYS = ("exactly_once", "at_least_once")
# Signals of one minute's bars of ten symbols, with those of the longer timeframes among them.
_A_MINUTE = 10 * (1 + 1 / 5 + 1 / 15)
# Seconds without a decision after which something is wrong.
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """One way in one round: decisions a second of a backlog, and seconds from sending to reading at a steady rate."""

    rate: float
    latencies: list[float]


async def send(settings: Settings, wanted: int) -> int:
    """Send about as many signals as wanted, of bars that ended an hour ago and before; returns how many."""
    market = Market(1, settings.trading.symbols)
    end = datetime.now(UTC) - timedelta(hours=1)
    start = end - timedelta(minutes=wanted / _A_MINUTE)
    found = [signal_record(each) for each in signals(market, start, end)]
    async with record_sink(SIGNAL_TOPICS, settings) as sink:
        for first in range(0, len(found), 5000):
            await sink.send(found[first : first + 5000])
    return count(market, start, end)


async def measure(settings: Settings, config: Path, logs: Path, way: str, number: int, backlog: int, rate: int,
                  seconds: float) -> Round:  # fmt: skip
    """One round of one way: a worker of its own group reads everything, then single signals come at a rate.

    Raises TimeoutError when a decision does not come.
    """
    group = f"bench-{way.replace('_', '-')}-{number}"
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        await admin.create_missing([signals_changelog(group)])
    async with _from_now_on(settings) as consumer:
        with _working(config, logs, group, way):
            carried = await _drain(consumer, backlog)
            await _latencies(settings, consumer, f"{group}-warm", rate, 2.0)  # what is slow the first time
            return Round(carried, await _latencies(settings, consumer, group, rate, seconds))


@contextmanager
def _working(config: Path, logs: Path, group: str, way: str) -> Iterator[None]:
    environment = {
        "STREAMS_SYSTEMS": "trading",
        "STREAMS_TRADING__ROLES": "processor",
        "STREAMS_TRADING__GUARANTEE": way,
        "STREAMS_APP_ID": group,
        "STREAMS_DATA_DIR": str(logs / group),
    }
    worker = Worker(group, config, logs, environment)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


@asynccontextmanager
async def _from_now_on(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    counts = await partition_counts(settings.broker_url, [DECISIONS.name])
    async with reader(settings.broker_url) as consumer:
        bounds = await whole_topics(consumer, counts)
        consumer.assign(list(bounds))
        for place, (_, end) in bounds.items():
            consumer.seek(place, end)
        yield consumer


async def _drain(consumer: AIOKafkaConsumer, wanted: int) -> float:
    """Decisions a second, from the first that is seen to the last."""
    began, first, seen = 0.0, 0, 0
    while seen < wanted:
        async with asyncio.timeout(_PATIENCE):
            found = await _some(consumer)
        seen += len(found)
        if not began:
            began, first = time.monotonic(), len(found)
    return (wanted - first) / (time.monotonic() - began)


async def _some(consumer: AIOKafkaConsumer) -> list[Any]:
    while True:
        batches = await consumer.getmany(timeout_ms=500)
        if batches:
            return [record for records in batches.values() for record in records]


async def _latencies(
    settings: Settings, consumer: AIOKafkaConsumer, name: str, rate: int, seconds: float
) -> list[float]:
    """Seconds from the sending of each signal to its decision in the hands of a consumer."""
    sent: dict[str, float] = {}
    symbols, wanted = settings.trading.symbols, int(rate * seconds)

    async def feed() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers(settings.broker_url), enable_idempotence=True, acks="all"
        ) as producer:
            began = time.monotonic()
            for number in range(wanted):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                symbol = symbols[number % len(symbols)]
                signal = Signal(named(name, str(number)), symbol, "1m", datetime.now(UTC), "100.25")
                sent[str(signal.signal_id)] = time.monotonic()
                await producer.send(f"{SIGNAL_TOPIC}1m", write_signal(signal), symbol.encode())
            await producer.flush()

    found: list[float] = []
    feeding = asyncio.create_task(feed())
    while len(found) < wanted:
        async with asyncio.timeout(_PATIENCE):
            for record in await _some(consumer):
                since = sent.get(orjson.loads(record.value)["signal_id"])
                if since is not None:
                    found.append(time.monotonic() - since)
    await feeding
    return found
