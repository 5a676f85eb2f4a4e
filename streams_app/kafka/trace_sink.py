"""Generated events of code generation on their way to their topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.errors import KafkaError

from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.reading import partition_counts
from streams_app.settings import Settings
from streams_app.systems.trace_store.generate.generator import TraceRecord
from streams_app.systems.tracking.ports import OutgoingRecord, Refused
from streams_app.topics import TRACE_TOPICS


class TopicSink:
    """Sends records to their topics."""

    def __init__(self, sender: EventSender) -> None:
        self._sender = sender

    async def send(self, records: Sequence[TraceRecord]) -> int:
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
async def trace_topics(settings: Settings) -> AsyncIterator[TopicSink]:
    """The way to the topics. Raises StartError when the broker does not answer, or has not all of them."""
    await partition_counts(settings.broker_url, [topic.name for topic in TRACE_TOPICS])
    async with EventSender(bootstrap_servers(settings.broker_url)) as sender:
        yield TopicSink(sender)
