"""The topics of trading, read to their end without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streams_app.changefeed import Record
from streams_app.commands.whole_topics import letter_places, records_of
from streams_app.kafka.reading import partition_counts, reader, whole_topics
from streams_app.settings import Settings
from streams_app.topics import DECISIONS, ORDERS, SIGNAL_TOPICS


class TradingTopics:
    """What `verify` reads of the topics. Every method raises StartError when the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def are_complete(self) -> bool:
        """Whether signals and decisions are all there, from the first on."""
        counts = await partition_counts(self._settings.broker_url, [spec.name for spec in (*SIGNAL_TOPICS, DECISIONS)])
        async with reader(self._settings.broker_url) as consumer:
            return all(low == 0 for low, _ in (await whole_topics(consumer, counts)).values())

    def signals(self) -> AsyncIterator[Record]:
        """The signals of all timeframes."""
        return records_of(self._settings, SIGNAL_TOPICS)

    def decisions(self) -> AsyncIterator[Record]:
        """The decisions."""
        return records_of(self._settings, [DECISIONS])

    def orders(self) -> AsyncIterator[Record]:
        """The events of orders."""
        return records_of(self._settings, [ORDERS])

    async def letters(self) -> set[tuple[str, int, int]]:
        """The topics, partitions and offsets of all records that are dead letters."""
        return await letter_places(self._settings)
