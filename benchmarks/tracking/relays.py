"""Events from the log to their topic: our relay, and producers that are fed from the same SELECT and write nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.tracking.place import REGION, SQL, Place
from streams_app.databases import Databases
from streams_app.kafka.dead_letters import SentDeadLetters
from streams_app.kafka.event_sender import EventSender
from streams_app.systems.tracking.ports import OutgoingRecord
from streams_app.systems.tracking.relay import Relay
from streams_app.topics import DEAD_LETTERS

Contestant = Callable[[Place, Databases, str], Awaitable[None]]


async def ours(place: Place, databases: Databases, topic: str) -> None:
    """The relay: takes, sends, writes down where every event is."""
    async with EventSender(place.servers) as sender:
        letters = SentDeadLetters(sender, DEAD_LETTERS)
        relay = Relay(databases, REGION, sender, letters, place.settings.tracking)
        while await relay.round():
            pass
        await relay.leave()


async def bare(place: Place, databases: Databases, topic: str) -> None:
    """aiokafka's idempotent producer, record by record, with its usual batching."""
    producer = AIOKafkaProducer(
        bootstrap_servers=place.servers, enable_idempotence=True, linger_ms=5, max_batch_size=262_144
    )
    async with producer:
        async for rows in _pages(place, databases):
            sent = [await producer.send(topic, row[4].encode(), row[2].encode(), headers=_headers(row)) for row in rows]
            for future in sent:
                await future


async def batches(place: Place, databases: Databases, topic: str) -> None:
    """The relay's own sender, fed from the same SELECT: the limit of the relay, if writing down cost nothing."""
    async with EventSender(place.servers) as sender:
        async for rows in _pages(place, databases):
            await sender.send(
                [OutgoingRecord(topic, row[2].encode(), row[4].encode(), tuple(_headers(row))) for row in rows]
            )


CONTESTANTS: dict[str, Contestant] = {"relay": ours, "bare producer": bare, "record batches": batches}


async def measure(place: Place, name: str, events: int) -> float:
    """Events a second of one contestant, on a log that is filled anew. Raises RuntimeError when some are missing."""
    topic = await place.topic()
    place.execute("empty")
    async with place.databases() as databases:
        await place.publish(databases, topic, events)
        place.execute("settle")
        began = time.perf_counter()
        await CONTESTANTS[name](place, databases, topic)
        seconds = time.perf_counter() - began
    if name == "relay" and (found := place.execute("count")) != [("PUBLISHED", events)]:
        raise RuntimeError(f"the relay left {found}")
    return events / seconds


async def _pages(place: Place, databases: Databases) -> AsyncIterator[list[Any]]:
    after = 0
    while True:
        arguments = {"region": REGION, "after": after, "limit": place.settings.tracking.relay_batch}
        async with databases.connection(REGION) as connection:
            rows = await (await connection.execute(SQL["pending"], arguments)).fetchall()
        if not rows:
            return
        after = rows[-1][0]
        yield rows


def _headers(row: Any) -> list[tuple[str, bytes]]:
    occurred = str(int(row[7].timestamp() * 1000))
    named = {"event_id": row[1], "event_type": row[3], "service": row[5], "correlation_id": row[6]}
    return [*((name, text.encode()) for name, text in named.items()), ("occurred_at", occurred.encode())]
