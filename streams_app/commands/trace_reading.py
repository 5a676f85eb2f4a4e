"""The topics of the trace store, read to their end without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streams_app.changefeed import Record
from streams_app.kafka.letter_store import read_cases
from streams_app.kafka.reading import partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.topics import TRACE_TOPICS


class TraceTopics:
    """What `verify` reads of the topics. Both methods raise StartError when the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def records(self) -> AsyncIterator[Record]:
        """All records, as they are now."""
        counts = await partition_counts(self._settings.broker_url, [topic.name for topic in TRACE_TOPICS])
        async with reader(self._settings.broker_url) as consumer:
            async for record in records_between(consumer, await whole_topics(consumer, counts)):
                yield record

    async def letters(self) -> set[tuple[str, int, int]]:
        """The topics, partitions and offsets of all records that are dead letters."""
        known = await read_cases(self._settings, lambda done, total: None)
        return {(case.letter.topic, case.letter.partition, case.letter.offset) for case in known.values()}
