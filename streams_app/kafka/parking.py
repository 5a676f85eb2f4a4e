"""Parked records: a topic per region, partitioned like the topics they come from, so one worker sees both.

While a region is down its records are written here and acked at their origin, so that the other regions go on. They are
processed from here when the region is back; until the last of them is done, new ones queue up behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from faust.types import TP

from streams_app.changefeed import Record, RecordLike
from streams_app.delivery.batches import Batch, BatchProcessor
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.lanes import Lane
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

_OWN = ("parked-topic", "parked-partition", "parked-offset")

# The lane only waits while its region is down: it has nothing to lose when partitions go.
DRAIN_TIMEOUT = 1.0


class TopicParkingLot:
    """Parks the records of routes on their topics."""

    def __init__(
        self,
        app: StreamsApp,
        topics: Mapping[str, TopicSpec],
        is_down: Callable[[str], bool],
        *,
        in_order: bool = True,
    ) -> None:
        """`in_order` False: records of a region that is up need not wait until the parked ones are done."""
        self._app = app
        self._in_order = in_order
        self._topics = topics
        self._is_down = is_down
        self._lanes: dict[str, Lane] = {}
        # The offset after the last record this worker parked on each partition, since it got the partition.
        self._parked: dict[str, dict[TP, int]] = {route: {} for route in topics}

    def drain_into(self, processor: Callable[[], BatchProcessor], settings: Settings) -> None:
        """Declare the batch agents that process what was parked, each with a processor of its own."""
        for route, topic in self._topics.items():
            (lane,) = self._app.batch_agent(
                f"parked {topic.name}",
                [topic],
                Unparking(processor()),
                settings,
                drain_timeout=DRAIN_TIMEOUT,
                waits=lambda route=route: self._is_down(route),  # type: ignore[misc]
            )
            lane.on_reset = self._parked[route].clear
            self._lanes[route] = lane

    def holds(self, route: str) -> bool:
        """Whether the route is down, or records of it are still parked, in front of new ones, on partitions of this
        worker."""
        if self._is_down(route):
            return True
        if not self._in_order:
            return False
        lane, parked = self._lanes[route], self._parked[route]
        if any((lane.done(tp) or 0) < end for tp, end in parked.items()):
            return True
        # Just assigned, its end not yet known: something may be parked there.
        return not self._app.consumer.is_through(self._topics[route].name)

    async def park(self, route: str, records: Sequence[RecordLike]) -> None:
        """Store records of a route, each on the partition it came from, in order there.

        Raises ConnectionError, to be tried again: then some may stand there twice, all in order each time.
        """
        by_partition: dict[int, list[RecordLike]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        topic = self._topics[route].name
        try:
            await asyncio.gather(*(self._send(route, TP(topic, p), part) for p, part in by_partition.items()))
        except KafkaError as error:
            raise ConnectionError(f"{topic}: {error}") from error

    async def _send(self, route: str, tp: TP, records: Sequence[RecordLike]) -> None:
        rows = [(r.key, r.value, [*wrapped_headers(r), *(r.headers or ())]) for r in records]
        self._parked[route][tp] = await self._app.send_records(tp, rows)


class Unparking:
    """A lane's processor for parked records: as they were at their origin they go to the system's own."""

    def __init__(self, processor: BatchProcessor) -> None:
        self._processor = processor
        self.process, self.due, self.clear = processor.process, processor.due, processor.clear

    def decode(self, records: Sequence[RecordLike], earlier: Batch | None = None) -> Batch:
        """Unwrap and decode."""
        return self._processor.decode([unwrapped(record) for record in records], earlier)

    def held(self) -> list[RecordLike]:
        """The parked records that wait."""
        return [record.parked for record in self._processor.held() if isinstance(record, Unparked) and record.parked]


@dataclass(frozen=True, slots=True)
class Unparked(Record):
    """A parked record as it was at its origin, and the one that it was parked as."""

    parked: RecordLike | None = None


def wrapped_headers(record: RecordLike) -> list[tuple[str, bytes]]:
    """Where a record comes from, as headers."""
    return list(zip(_OWN, (record.topic.encode(), b"%d" % record.partition, b"%d" % record.offset), strict=True))


def unwrapped(record: RecordLike) -> Unparked:
    """A parked record as it was at its origin."""
    headers = tuple(record.headers or ())
    topic, partition, offset = (dict(headers)[name] or b"" for name in _OWN)
    kept = tuple((name, value) for name, value in headers if name not in _OWN)
    return Unparked(topic.decode(), int(partition), int(offset), record.key, record.value, kept, parked=record)
