"""From the commit of an event to a consumer of its topic, at a steady rate: by the relay, and by Debezium."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.tracking.place import REGION, Place, event_of
from deploy.local.connectors import connector_config
from deploy.local.rest import get_json
from streams_app.databases import Databases
from streams_app.kafka.dead_letters import SentDeadLetters
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.reading import reader
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.tracking.relay import Relay
from streams_app.topics import DEAD_LETTERS

WAYS = ("relay", "debezium")
# Events a second: far from what either can carry.
RATE = 100
_CONNECTOR = f"events-{REGION}"


async def measure(place: Place, way: str, events: int) -> list[float]:
    """Seconds of every event, sorted. Raises TimeoutError when one does not come."""
    topic = await place.topic()
    place.execute("empty")
    async with place.databases() as databases, _carried(place, databases, way):
        await _timed(place, databases, topic, 20)  # what is slow the first time
        return sorted(await _timed(place, databases, topic, events, first=20))


async def _timed(place: Place, databases: Databases, topic: str, events: int, first: int = 0) -> list[float]:
    committed: dict[str, float] = {}
    seconds: list[float] = []
    publisher = TrackedPublisher("benchmark", place.settings)

    async def write() -> None:
        began = time.monotonic()
        for number in range(first, first + events):
            await asyncio.sleep(max(0.0, began + (number - first) / RATE - time.monotonic()))
            event = event_of(topic, number)
            async with databases.transaction(REGION) as connection:
                await publisher.publish(REGION, [event], connection)
            committed[event.event_id] = time.monotonic()

    async with reader(place.settings.broker_url) as consumer, asyncio.timeout(60 + events / RATE):
        consumer.subscribe([topic])
        writing = asyncio.create_task(write())
        seen: set[str] = set()
        while len(seen) < first + events:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                for record in batch:
                    name = (dict(record.headers)["event_id"] or b"").decode()
                    if name not in seen and name in committed:
                        seconds.append(time.monotonic() - committed[name])
                    seen.add(name)
        await writing
    return seconds


@asynccontextmanager
async def _carried(place: Place, databases: Databases, way: str) -> AsyncIterator[None]:
    if way == "debezium":
        config = place.stack.connect.connectors()[f"requests-{REGION}"]
        secrets = config["database.password"].removeprefix("${directory:").partition(":")[0]
        host, port = config["database.hostname"], int(config["database.port"])
        own = connector_config(REGION, host, port, secrets, "events")
        await asyncio.to_thread(place.stack.connect.register, _CONNECTOR, own)
        await _running(place)
        try:
            yield
        finally:
            await asyncio.to_thread(place.stack.connect.remove, _CONNECTOR)
        return
    async with EventSender(place.servers) as sender:
        letters = SentDeadLetters(sender, DEAD_LETTERS)
        relaying = asyncio.create_task(Relay(databases, REGION, sender, letters, place.settings.tracking).run())
        try:
            yield
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


async def _running(place: Place) -> None:
    url = f"{place.stack.connect.address}/connectors/{_CONNECTOR}/status"
    async with asyncio.timeout(60):
        while True:
            try:
                status = await asyncio.to_thread(get_json, url)
            except OSError:
                status = {"tasks": []}
            slot = place.execute("slot")
            if status["tasks"] and status["tasks"][0]["state"] == "RUNNING" and slot == [(True,)]:
                return
            await asyncio.sleep(0.2)
