"""The workers' consumer group: who is in it, where it is in each partition, and moving it while nobody is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams_app.delivery.replays import Move, Place, ReplayError
from streams_app.errors import StartError
from streams_app.kafka.reading import admin_client, partition_counts, reader
from streams_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Member:
    """A consumer in the group: its client and the host it runs on, as the broker sees them."""

    client: str
    host: str


class ConsumerGroup:
    """The group of `settings.app_id`. Every method raises StartError when the broker does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._broker_url = settings.broker_url
        self._group = settings.app_id

    async def members(self) -> list[Member]:
        """Who is in the group now; a worker that died stays in it until its session ends."""
        async with admin_client(self._broker_url) as admin:
            [response] = await admin.describe_consumer_groups([self._group])
        # A described group: error, id, state, protocol type, protocol, members.
        return [Member(client, host) for group in response.groups for _, client, host, *_ in group[5]]

    async def places(
        self, topics: Sequence[str], partitions: Collection[int] | None = None, time: datetime | None = None
    ) -> list[Place]:
        """Where the group is in each partition of `topics` (all, or those numbered), and what `time` stands for there.

        Raises StartError for a topic that is not there, ReplayError for a partition that is not.
        """
        counts = await partition_counts(self._broker_url, list(topics))
        for topic, count in counts.items():
            beyond = sorted(number for number in partitions or () if number >= count)
            if beyond:
                raise ReplayError(f"{topic} has partitions 0 to {count - 1}, not {', '.join(map(str, beyond))}")
        wanted = [
            TopicPartition(topic, number)
            for topic in topics
            for number in range(counts[topic])
            if partitions is None or number in partitions
        ]
        async with reader(self._broker_url, group_id=self._group) as consumer:
            low, high = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
            times = {place: int(time.timestamp() * 1000) for place in wanted} if time is not None else {}
            found = await consumer.offsets_for_times(times) if times else {}
            at_time = {place: entry.offset for place, entry in found.items() if entry is not None}
            return [
                Place(tp.topic, tp.partition, low[tp], high[tp], await consumer.committed(tp), at_time.get(tp))
                for tp in wanted
            ]

    async def move(self, moves: Iterable[Move]) -> None:
        """Commit the offsets of a plan. Raises StartError when the broker refuses: somebody joined in the meantime."""
        offsets = {TopicPartition(move.topic, move.partition): move.to for move in moves}
        async with reader(self._broker_url, group_id=self._group) as consumer:
            consumer.assign(list(offsets))
            try:
                await consumer.commit(offsets)
            except KafkaError as error:
                raise StartError(f"nothing was moved, a worker may have joined the group: {error!r}") from error
