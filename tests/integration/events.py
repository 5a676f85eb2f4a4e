"""Events for tests: published by the tracked publisher, relayed to a topic of the test's own, read back."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams_app.databases import Databases
from streams_app.delivery.events import Event
from streams_app.delivery.ports import DeadLetter
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.reading import partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.tracking.relay import Relay

REGION = "us-east"


class Letters:
    """Dead letters, kept."""

    def __init__(self) -> None:
        self.sent: list[DeadLetter] = []

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        self.sent += letters


def servers(settings: Settings) -> str:
    return settings.broker_url.removeprefix("kafka://")


async def make_topic(settings: Settings, partitions: int = 4, **config: str) -> str:
    """A new topic; returns its name."""
    name = f"test.events-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers(settings))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    finally:
        await admin.close()
    return name


async def read_topic(settings: Settings, topic: str) -> list[Any]:
    """Everything on a topic now, partition by partition."""
    consumer = reader(settings.broker_url)
    await consumer.start()
    try:
        stretches = await whole_topics(consumer, await partition_counts(settings.broker_url, [topic]))
        found = [record async for record in records_between(consumer, stretches)]
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def event(topic: str, name: str, key: str | None = None, **payload: Any) -> Event:
    return Event(topic, "test", name, payload or {"name": name}, key, correlation_id=key)


async def publish(databases: Databases, settings: Settings, *events: Event, region: str = REGION) -> int:
    """Publish in a transaction of its own."""
    async with databases.transaction(region) as connection:
        return await TrackedPublisher("tests", settings).publish(region, events, connection)


@asynccontextmanager
async def relay(
    databases: Databases, settings: Settings, letters: Letters | None = None, **tracking: Any
) -> AsyncIterator[Relay]:
    """A relay of one region that does nothing by itself."""
    own = TrackingSettings.model_validate({"relay_interval": 0.01, **tracking})
    async with EventSender(servers(settings)) as sender:
        made = Relay(databases, REGION, sender, letters or Letters(), own)
        yield made
        await made.leave()


async def rows(databases: Databases, query: str, **arguments: Any) -> list[Any]:
    async with databases.connection(REGION) as connection:
        return await (await connection.execute(query.encode(), {"region": REGION, **arguments})).fetchall()
