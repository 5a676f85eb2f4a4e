"""Reading stretches of the log, from one offset to another, without a group and whatever the markers in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from streams_app.changefeed import Record
from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers

# First offset, and the one after the last.
Stretches = Mapping[TopicPartition, tuple[int, int]]


def reader(broker_url: str, **settings: Any) -> AIOKafkaConsumer:
    """A consumer that commits nothing by itself and sees only what is committed."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(broker_url),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        **settings,
    )


@asynccontextmanager
async def admin_client(broker_url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client. Raises StartError when the broker does not answer."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(broker_url))
    await connected(client)
    try:
        yield client
    finally:
        await client.close()


async def connected(client: AIOKafkaAdminClient | AIOKafkaProducer) -> None:
    """Start a client. Raises StartError when the broker does not answer."""
    try:
        await client.start()
    except KafkaConnectionError as error:
        raise StartError(f"the broker does not answer ({error}); is the stack up? (`make up`)") from None


async def partition_counts(broker_url: str, topics: list[str]) -> dict[str, int]:
    """How many partitions each topic has. Raises StartError for a topic that is not there."""
    async with admin_client(broker_url) as admin:
        described = await admin.describe_topics(topics)
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    missing = [topic for topic in topics if not counts.get(topic)]
    if missing:
        raise StartError(f"topic {', '.join(missing)} is missing: run `faust -A streams_app topics --create`")
    return counts


async def whole_topics(consumer: AIOKafkaConsumer, counts: Mapping[str, int]) -> dict[TopicPartition, tuple[int, int]]:
    """Every partition of the topics, from its beginning to its end as they are now."""
    places = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
    low, high = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return {place: (low[place], high[place]) for place in places}


async def records_between(
    consumer: AIOKafkaConsumer, stretches: Stretches, on_progress: Callable[[int], None] = lambda offsets: None
) -> AsyncIterator[Record]:
    """The records of all stretches, each partition's in order; `on_progress` hears how many offsets were passed."""
    left = {place: bounds for place, bounds in stretches.items() if bounds[0] < bounds[1]}
    consumer.assign(list(left))
    for place, (first, _) in left.items():
        consumer.seek(place, first)
    while left:
        batches = await consumer.getmany(*left, timeout_ms=200)
        for place, batch in batches.items():
            for record in batch:
                if record.offset < left[place][1]:
                    yield _record(record)
        for place, (first, end) in list(left.items()):
            # The position and not the last record: a stretch may end in markers of transactions.
            position = min(await consumer.position(place), end)
            on_progress(position - first)
            left[place] = (position, end)
            if position == end:
                del left[place]
                consumer.pause(place)


def _record(record: Any) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp,
    )
