"""The topics of the trace store, read to their end without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streams_app.changefeed import Record
from streams_app.commands.whole_topics import letter_places, records_of
from streams_app.settings import Settings
from streams_app.topics import TRACE_TOPICS


class TraceTopics:
    """What `verify` reads of the topics. Both methods raise StartError when the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def records(self) -> AsyncIterator[Record]:
        """All records, as they are now."""
        return records_of(self._settings, TRACE_TOPICS)

    async def letters(self) -> set[tuple[str, int, int]]:
        """The topics, partitions and offsets of all records that are dead letters."""
        return await letter_places(self._settings)
