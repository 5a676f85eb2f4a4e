"""The topics of tracked events, read to their end without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from streams_app.delivery.events import EVENT_ID
from streams_app.errors import StartError
from streams_app.kafka.reading import admin_client, reader, records_between
from streams_app.systems.tracking.verify_topics import Kept, Seen


class KafkaTopics:
    """What `verify` reads of the topics."""

    def __init__(self, consumer: AIOKafkaConsumer, broker_url: str) -> None:
        self._consumer = consumer
        self._broker_url = broker_url

    async def kept(self, topic: str) -> Mapping[int, Kept]:
        """What each partition of the topic holds now; empty when there is no such topic."""
        async with admin_client(self._broker_url) as admin:
            [described] = await admin.describe_topics([topic])
        places = [TopicPartition(topic, part["partition"]) for part in described["partitions"]]
        if not places:
            return {}
        low, high = await self._consumer.beginning_offsets(places), await self._consumer.end_offsets(places)
        return {place.partition: Kept(low[place], high[place]) for place in places}

    async def seen(self, topic: str, partition: int, kept: Kept) -> AsyncIterator[Seen]:
        """The tracked events of a partition, in the order of their offsets."""
        if kept.low == kept.high:
            return
        stretch = {TopicPartition(topic, partition): (kept.low, kept.high)}
        # A consumer of its own: one that is given the same partition a second time may wait for ever.
        async with reader(self._broker_url) as consumer:
            async for record in records_between(consumer, stretch):
                event_id = next((value for name, value in record.headers or () if name == EVENT_ID and value), None)
                if event_id is not None:
                    yield Seen(record.offset, event_id.decode("utf-8", "replace"), record.timestamp or 0)


@asynccontextmanager
async def kafka_topics(broker_url: str) -> AsyncIterator[KafkaTopics]:
    """The topics of a broker. Raises StartError when it does not answer."""
    consumer = reader(broker_url)
    try:
        await consumer.start()
    except KafkaConnectionError as error:
        await consumer.stop()
        raise StartError(f"the broker does not answer ({error}); is the stack up? (`make up`)") from None
    try:
        yield KafkaTopics(consumer, broker_url)
    finally:
        await consumer.stop()
