"""Whole topics, read to their end as they are now, without a group, committed records alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from streams_app.changefeed import Record
from streams_app.kafka.letter_store import read_cases
from streams_app.kafka.reading import partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.topics import TopicSpec


async def records_of(settings: Settings, specs: Sequence[TopicSpec]) -> AsyncIterator[Record]:
    """All records of topics, each partition's in order. Raises StartError when the broker does not answer."""
    counts = await partition_counts(settings.broker_url, [spec.name for spec in specs])
    async with reader(settings.broker_url) as consumer:
        async for record in records_between(consumer, await whole_topics(consumer, counts)):
            yield record


async def letter_places(settings: Settings) -> set[tuple[str, int, int]]:
    """The topics, partitions and offsets of all records that are dead letters. Raises StartError."""
    known = await read_cases(settings, lambda done, total: None)
    return {(case.letter.topic, case.letter.partition, case.letter.offset) for case in known.values()}
