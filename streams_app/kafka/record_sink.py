"""Generated records on their way to their topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from aiokafka.errors import KafkaError

from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.reading import partition_counts
from streams_app.settings import Settings
from streams_app.systems.tracking.ports import OutgoingRecord, Refused
from streams_app.topics import TopicSpec


class Generated(Protocol):
    """What is asked of a record."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]: ...


class TopicSink:
    """Sends records to their topics."""

    def __init__(self, sender: EventSender) -> None:
        self._sender = sender

    async def send(self, records: Sequence[Generated]) -> int:
        """Store records, those of a key in order; returns how many. Raises StartError when the broker refuses one."""
        try:
            answers = await self._sender.send(
                [OutgoingRecord(record.topic, record.key, record.value, record.headers) for record in records]
            )
        except KafkaError as error:
            raise StartError(f"the broker does not take it: {error}") from None
        for answer in answers:
            if isinstance(answer, Refused):
                raise StartError(answer.reason)
        return len(records)


@asynccontextmanager
async def record_sink(topics: Sequence[TopicSpec], settings: Settings) -> AsyncIterator[TopicSink]:
    """The way to topics. Raises StartError when the broker does not answer, or has not all of them."""
    await partition_counts(settings.broker_url, [topic.name for topic in topics])
    async with EventSender(bootstrap_servers(settings.broker_url)) as sender:
        yield TopicSink(sender)
