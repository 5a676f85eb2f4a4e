"""Sends events in record batches through an idempotent producer: a batch a partition, in order, each answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from streams_app.kafka.producer import pace
from streams_app.systems.tracking.ports import OutgoingRecord, Placed, Refused

# What the broker says of a record or its topic, and will say again.
_REFUSALS = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTopicError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
_BATCH_BYTES = 262_144
_CLOSE_SECONDS = 2.0
_TOPICS_KNOWN_AFTER = 5.0
# Records without a key take turns; many in a row go to one partition, as Java's clients do it.
_KEYLESS_RUN = 100

Numbered = tuple[int, OutgoingRecord]


class EventSender:
    """An idempotent producer that is opened when first used, and anew after it failed. Use as an async context manager.

    While the broker is away, `send` waits.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._producer: AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()
        #: Calls of `send` that are under way, by producer.
        self._users: Counter[AIOKafkaProducer] = Counter()
        #: Topics that were not there, and since when.
        self._missing: dict[str, float] = {}
        self._keyless = random.randrange(1_000_000)  # noqa: S311

    async def __aenter__(self) -> EventSender:
        return self

    async def __aexit__(self, *_: object) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)

    async def send(self, events: Sequence[OutgoingRecord]) -> list[Placed | Refused]:
        """Send records, those of a partition in order; the answers come in the order of `events`.

        A record that is refused keeps the later ones of its key from being sent. Raises KafkaError when the producer
        can do no more; then some may be stored.
        """
        producer = await self._open()
        self._users[producer] += 1
        try:
            return await self._send_all(producer, events)
        finally:
            self._users[producer] -= 1
            # The last one who used it: what others have on its way must not end with it.
            if producer is not self._producer and not self._users[producer]:
                del self._users[producer]
                await _stopped(producer)

    async def _send_all(self, producer: AIOKafkaProducer, events: Sequence[OutgoingRecord]) -> list[Placed | Refused]:
        answers: list[Placed | Refused | None] = [None] * len(events)
        by_partition: dict[tuple[str, int], list[Numbered]] = {}
        for topic in {event.topic for event in events}:
            numbered = [(place, event) for place, event in enumerate(events) if event.topic == topic]
            partitions = await self._partitions(producer, topic)
            if not partitions:
                refused = self._no_topic(topic)
                for place, _ in numbered:
                    answers[place] = refused
                continue
            for place, event in numbered:
                partition = self._partition(producer, event, partitions)
                by_partition.setdefault((topic, partition), []).append((place, event))
        lanes = [self._send_to(producer, *target, part, answers) for target, part in by_partition.items()]
        failures = [f for f in await asyncio.gather(*lanes, return_exceptions=True) if isinstance(f, BaseException)]
        if failures:
            self._retire(producer)
            raise failures[0]
        return [answer or Refused("not sent", permanent=False) for answer in answers]

    async def _send_to(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        records: list[Numbered],
        answers: list[Placed | Refused | None],
    ) -> None:
        """One batch after the other: a later one must not be stored when an earlier one is not."""
        for batch, part in _batches(producer, records):
            try:
                stored = await (await producer.send_batch(batch, topic, partition=partition))
            except _REFUSALS as error:
                # aiokafka counts a refused batch as sent, and the broker would miss its number: begin anew.
                self._retire(producer)
                await self._send_apart(topic, partition, records[records.index(part[0]) :], answers, error)
                return
            for distance, (place, _) in enumerate(part):
                answers[place] = Placed(partition, stored.offset + distance)

    async def _send_apart(
        self,
        topic: str,
        partition: int,
        records: list[Numbered],
        answers: list[Placed | Refused | None],
        error: KafkaError,
    ) -> None:
        """Find the record that is refused: each alone, by a producer that knows nothing of the refusal."""
        if len(records) == 1:
            answers[records[0][0]] = Refused(f"{type(error).__name__}: {error}", permanent=True)
            return
        behind: set[bytes] = set()
        producer = await self._started()
        try:
            for place, event in records:
                if event.key in behind:
                    answers[place] = Refused("an earlier event of its key was refused", permanent=False)
                    continue
                batch, _ = next(_batches(producer, [(place, event)]))
                try:
                    stored = await (await producer.send_batch(batch, topic, partition=partition))
                    answers[place] = Placed(partition, stored.offset)
                except _REFUSALS as refusal:
                    answers[place] = Refused(f"{type(refusal).__name__}: {refusal}", permanent=True)
                    behind |= {event.key} if event.key is not None else set()
                    await _stopped(producer)
                    producer = await self._started()
        finally:
            await _stopped(producer)

    def _partition(self, producer: AIOKafkaProducer, event: OutgoingRecord, partitions: list[int]) -> int:
        if event.key is None:
            self._keyless += 1
            return partitions[self._keyless // _KEYLESS_RUN % len(partitions)]
        chosen: int = producer._partitioner(event.key, partitions, partitions)
        return chosen

    def _no_topic(self, topic: str) -> Refused:
        """A broker that has just started may not know all topics yet: what it says at first does not count."""
        first = self._missing.setdefault(topic, time.monotonic())
        counts = time.monotonic() - first > _TOPICS_KNOWN_AFTER
        return Refused(f"there is no topic {topic}: `topics --create`, or mend the publisher", permanent=counts)

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> list[int]:
        """The partitions of a topic; none when there is no such topic. Raises KafkaError while nobody can say."""
        known = producer.client.cluster.partitions_for_topic(topic)
        if not known:
            cluster = await producer.client.fetch_all_metadata()
            if topic not in cluster.topics():
                return []
            known = await producer.partitions_for(topic)
        self._missing.pop(topic, None)
        return sorted(known)

    async def _open(self) -> AIOKafkaProducer:
        async with self._opening:
            if self._producer is None:
                self._producer = await self._started()
            return self._producer

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            enable_idempotence=True,
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=4 * _BATCH_BYTES,
        )
        pace(producer.client)
        try:
            await producer.start()
        except BaseException:
            await _stopped(producer)
            raise
        return producer

    def _retire(self, producer: AIOKafkaProducer) -> None:
        """The next call opens another one."""
        if self._producer is producer:
            self._producer = None


async def _stopped(producer: Any) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer.stop()


def _batches(producer: AIOKafkaProducer, records: Sequence[Numbered]) -> Iterator[tuple[Any, list[Numbered]]]:
    """Record batches as full as may be, with what is in each."""
    batch = producer.create_batch()
    part: list[Numbered] = []
    for numbered in records:
        event = numbered[1]
        row = {"timestamp": None, "key": event.key, "value": event.value, "headers": list(event.headers)}
        if batch.append(**row) is None:
            yield batch, part
            batch, part = producer.create_batch(), []
            batch.append(**row)
        part.append(numbered)
    if part:
        yield batch, part
