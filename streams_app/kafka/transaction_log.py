"""What the log itself says of transactions: a consumer never sees their markers, nor what was aborted."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.control_record import COMMIT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.reading import partition_counts, reader, whole_topics

_FETCH_BYTES = 1_048_576
_READ_UNCOMMITTED = 0


@dataclass(slots=True)
class TransactionLog:
    """The transactions of one partition, and its records by what became of their transaction; `plain` had none."""

    committed: int = 0
    aborted: int = 0
    committed_records: int = 0
    aborted_records: int = 0
    plain_records: int = 0
    #: Records of transactions that nobody has ended, by producer.
    open_records: Counter[int] = field(default_factory=Counter)

    def add(self, batch: Any) -> None:
        """Take the next record batch of the partition."""
        if not batch.is_transactional:
            self.plain_records += sum(1 for _ in batch)
        elif not batch.is_control_batch:
            self.open_records[batch.producer_id] += sum(1 for _ in batch)
        elif ControlRecord.parse(next(batch).key) == COMMIT_MARKER:
            self.committed += 1
            self.committed_records += self.open_records.pop(batch.producer_id, 0)
        else:
            self.aborted += 1
            self.aborted_records += self.open_records.pop(batch.producer_id, 0)


async def transaction_logs(broker_url: str, topics: list[str]) -> Mapping[TopicPartition, TransactionLog]:
    """The logs of all partitions of topics, as they are now. Raises StartError for a topic that is not there, and
    KafkaError.
    """
    counts = await partition_counts(broker_url, topics)
    async with reader(broker_url) as consumer:
        stretches = await whole_topics(consumer, counts)
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers(broker_url))
    await client.bootstrap()
    try:
        client.set_topics(topics)
        await client.force_metadata_update()
        logs = {}
        for place, (first, end) in stretches.items():
            logs[place] = TransactionLog()
            async for batch in _batches(client, place, first, end):
                logs[place].add(batch)
        return logs
    finally:
        await client.close()


async def _batches(client: AIOKafkaClient, place: TopicPartition, first: int, end: int) -> AsyncIterator[Any]:
    """The record batches of a stretch, markers among them. Raises KafkaError."""
    while first < end:
        leader = client.cluster.leader_for_partition(place)
        wanted = [(place.topic, [(place.partition, first, _FETCH_BYTES)])]
        answer = await client.send(leader, FetchRequest(500, 1, _FETCH_BYTES, _READ_UNCOMMITTED, wanted))
        [(_, [(_, code, *_, raw)])] = answer.topics
        if code:
            raise for_code(code)(f"{place.topic} {place.partition}")
        batches = MemoryRecords(bytes(raw))
        while batches.has_next():
            batch = batches.next_batch()
            if batch.next_offset > first:
                yield batch
                first = batch.next_offset
