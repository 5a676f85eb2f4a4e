"""Tracked events in every region: published, relayed and consumed by two groups, all by the application's own code."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer, TopicPartition

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import Event
from streams_app.delivery.ports import DeadLetter
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.reading import reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.tracking.relay import Relay
from streams_app.topics import TopicSpec

PARTITIONS = 3
KEYS, EACH = 4, 5
#: Regions of two groups' rows.
GROUPS = ("billing", "search")


@dataclass(frozen=True)
class Tracked:
    """What was written: `repeated` records stand on the topic a second time, one event failed on each side."""

    settings: Settings
    topic: str
    published: int
    repeated: int


class NoLetters:
    """Dead letters that nobody keeps."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Take them."""


class PoisonError(Exception):
    """What the work says of the event that it cannot process."""


def event(topic: str, region: str, key: str, number: int) -> Event:
    """Event `number` of a key of a region."""
    payload = {"region": region, "key": key, "number": number, "nested": {"b": 1.50, "a": [None, "ü"]}}
    return Event(topic, "test.happened", f"{region}-{key}-{number}", payload, key, f"order-{number}")


async def make_tracked_world(settings: Settings) -> Tracked:
    """Everything, in databases that hold nothing tracked yet."""
    tracking = settings.tracking.model_copy(update={"max_retries": 0})
    settings = settings.model_copy(update={"tracking": tracking})
    topic = f"test.tracked.{secrets.token_hex(4)}"
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        await admin.create_missing([TopicSpec(topic, "key", PARTITIONS)])
    async with Databases(settings) as databases:
        for region in databases.regions.names:
            await _publish(databases, settings, region, topic)
        await _relay(databases, settings)
        repeated = await _repeat(settings, topic)
        for group in GROUPS:
            await consume(databases, settings, topic, group)
    return Tracked(settings, topic, len(settings.regions) * (KEYS * EACH + 1), repeated)


async def _publish(databases: Databases, settings: Settings, region: str, topic: str) -> None:
    publisher = TrackedPublisher("tests", settings)
    for number in range(EACH):
        events = [event(topic, region, f"{region}-{key}", number) for key in range(KEYS)]

        async def write(connection: Connection, events: list[Event] = events) -> None:
            await publisher.publish(region, events, connection)

        await in_transaction(databases, region, write)
    others = [
        Event(topic, "test.keyless", f"{region}-keyless", {"region": region}),
        Event(f"{topic}-nowhere", "test.lost", f"{region}-nowhere", {"region": region}, "k"),
    ]

    async def write_others(connection: Connection) -> None:
        await publisher.publish(region, others, connection)

    await in_transaction(databases, region, write_others)


async def _relay(databases: Databases, settings: Settings) -> None:
    async with EventSender(bootstrap_servers(settings.broker_url)) as sender:
        for region in databases.regions.names:
            relay = Relay(databases, region, sender, NoLetters(), settings.tracking)
            while await relay.round():
                pass
            # Writes down what became of the last ones.
            await relay.round()


async def _repeat(settings: Settings, topic: str) -> int:
    """What a relay does that died before it said so: the same record again."""
    async with records(settings, topic) as found:
        again = [record for record in found if record.offset % 3 == 0]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer:
        for record in again:
            await producer.send_and_wait(
                topic, record.value, record.key, record.partition, headers=list(record.headers)
            )
    return len(again)


async def consume(databases: Databases, settings: Settings, topic: str, group: str) -> None:
    """All of the topic through a tracked consumer; events numbered 3 of the first key are poison."""

    async def work(connection: Connection, region: str, events: Sequence[Incoming]) -> None:
        if any(one.event_id.endswith("-0-3") for one in events):
            raise PoisonError("not to be swallowed")

    consumer = TrackedConsumer("tests", group, databases, lambda one: one.data["region"], work, settings)
    async with records(settings, topic) as found:
        for record in found:
            change = consumer.decode(record)
            try:
                await consumer.process(consumer.route(change), [change])
            except PoisonError:
                assert change.event.event_id.endswith("-0-3")


@asynccontextmanager
async def records(settings: Settings, topic: str) -> AsyncIterator[list[Record]]:
    """All records of the topic."""
    async with reader(settings.broker_url) as consumer:
        stretches = await whole_topics(consumer, {topic: PARTITIONS})
        yield [record async for record in records_between(consumer, stretches)]


async def send_raw(settings: Settings, place: TopicPartition, event_id: str) -> None:
    """A record of an event that nobody wrote down."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer:
        headers = [("event_id", event_id.encode())]
        await producer.send_and_wait(place.topic, b"{}", b"k", place.partition, headers=headers)
