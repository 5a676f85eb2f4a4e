"""Recovery of a table: its partitions are brought up to the end of the changelog, in bulk, by a consumer of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams_app import metrics
from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.marks import VOID_KEY
from streams_app.kafka.reading import connected, reader
from streams_app.kafka.stores import Partition, Skipped, stamp

logger = logging.getLogger(__name__)

# Seconds between two lines of progress: no more than the log lets pass of one message.
_REPORT_EVERY: Final = 7.0
_RETRY_AFTER: Final = 1.0
# So many at once keep the event loop busy for a tenth of a second.
_MOST_RECORDS: Final = 20_000
_FETCH_BYTES: Final = 4 * 2**20
# Milliseconds. A fetch that begins with partitions that are at their end would hold up the others for its whole wait.
_FETCH_WAIT: Final = 20


async def recover(broker_url: str, table: str, topic: str, partitions: Mapping[int, Partition]) -> None:
    """Bring `partitions` up to the end of the changelog `topic` as it is now, however long the broker is away.

    Safe to cancel: a partition keeps what it has read, and the next recovery goes on from there.
    """
    if not partitions:
        return
    while True:
        try:
            async with reader(
                broker_url, max_partition_fetch_bytes=_FETCH_BYTES, fetch_max_wait_ms=_FETCH_WAIT
            ) as consumer:
                await _Recovery(consumer, table, topic, partitions).run()
            return
        except KafkaError as error:
            logger.warning("%s: recovery is tried again in %.0f s: %s", table, _RETRY_AFTER, error)
            await asyncio.sleep(_RETRY_AFTER)


async def make_void(broker_url: str, topic: str, partitions: Sequence[int]) -> None:
    """Make every record that these partitions of a changelog have by now void: one marker record each.

    Tombstones would have to be one for each key, and the writer would first have to read which keys there are.
    Raises StartError when the broker does not answer or refuses.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker_url), acks="all")
    await connected(producer)
    try:
        value = b'{"void":%d}' % int(time.time())
        await asyncio.gather(*(producer.send_and_wait(topic, value, VOID_KEY, partition=n) for n in partitions))
    except KafkaError as error:
        raise StartError(f"the table cannot be made void, {topic}: {error!r}") from error
    finally:
        await producer.stop()


class _Recovery:
    """One run: from where each partition is to the ends as they are at its beginning."""

    def __init__(self, consumer: AIOKafkaConsumer, table: str, topic: str, partitions: Mapping[int, Partition]) -> None:
        self._consumer = consumer
        self._table = table
        self._partitions = {TopicPartition(topic, number): partition for number, partition in partitions.items()}
        self._low: dict[TopicPartition, int] = {}
        self._left: dict[TopicPartition, int] = {}
        self._skipped = Skipped()
        self._started = self._reported = time.monotonic()
        self._total = self._records = 0

    async def run(self) -> None:
        """Read until every partition is there. Raises KafkaError."""
        places = list(self._partitions)
        self._low = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        for place, end in ends.items():
            if self._partitions[place].place.offset > end:
                self._throw_away(place, "it is ahead of its changelog")
        # What must be verified is read from its last record on, even when that is the last of all.
        self._left = {place: end for place, end in ends.items() if self._start(place) < end}
        self._total = self._remaining()
        if self._left:
            await self._read()

    async def _read(self) -> None:
        logger.info("%s: recovery of %d partitions, %d offsets", self._table, len(self._left), self._total)
        self._consumer.assign(list(self._left))
        for place in self._left:
            self._consumer.seek(place, self._start(place))
        while self._left:
            batches = await self._consumer.getmany(*self._left, timeout_ms=200, max_records=_MOST_RECORDS)
            for place, records in batches.items():
                self._apply(place, records)
                await asyncio.sleep(0)
            for place in list(self._left):
                await self._pass(place)
            self._report()
        self._finish()

    def _start(self, place: TopicPartition) -> int:
        partition = self._partitions[place]
        first = partition.place.last_offset if partition.unverified else partition.place.offset
        return max(first, self._low[place])

    def _apply(self, place: TopicPartition, records: Sequence[Any]) -> None:
        partition = self._partitions[place]
        if partition.unverified:
            known = partition.place
            if (records[0].offset, stamp(records[0].timestamp, records[0].key)) != (known.last_offset, known.stamp):
                self._throw_away(place, "its last record is not in the changelog")
                return
            partition.unverified = False
            records = [record for record in records if record.offset >= known.offset]
        partition.apply(records, self._skipped)
        self._records += len(records)

    async def _pass(self, place: TopicPartition) -> None:
        """Go past what holds no records: markers of transactions, and what compaction removed."""
        partition, end = self._partitions[place], self._left[place]
        position = await self._consumer.position(place)
        if position < end:
            return
        if partition.unverified:
            self._throw_away(place, "its last record is not in the changelog")
            return
        partition.place.offset = max(partition.place.offset, position)
        del self._left[place]
        self._consumer.pause(place)

    def _throw_away(self, place: TopicPartition, why: str) -> None:
        logger.warning("%s: partition %d is made anew from the changelog: %s", self._table, place.partition, why)
        self._partitions[place].clear()
        if place in self._left:
            self._consumer.seek(place, self._low[place])

    def _remaining(self) -> int:
        remaining = sum(end - self._start(place) for place, end in self._left.items())
        metrics.RECOVERY_REMAINING.labels(self._table).set(remaining)
        return remaining

    def _report(self) -> None:
        now = time.monotonic()
        remaining = self._remaining()
        if now - self._reported < _REPORT_EVERY or not self._left:
            return
        self._reported = now
        done, rate = 1 - remaining / max(self._total, 1), self._records / (now - self._started)
        logger.info("%s: recovery: %.0f %%, %.0f records/s", self._table, 100 * done, rate)

    def _finish(self) -> None:
        seconds = time.monotonic() - self._started
        metrics.RECOVERY_SECONDS.labels(self._table).set(seconds)
        rate = self._records / seconds
        logger.info("%s: recovered %d records in %.1f s, %.0f/s", self._table, self._records, seconds, rate)
        if self._skipped.count:
            metrics.CHANGELOG_SKIPPED.labels(self._table).inc(self._skipped.count)
            logger.warning(
                "%s: %d records of the changelog were skipped, no worker wrote them; the first: %s",
                self._table,
                self._skipped.count,
                self._skipped.first,
            )
