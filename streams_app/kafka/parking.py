"""Parked records: a topic per region, partitioned like the topics they come from, so one worker sees both.

While a region is down its records are written here and acked at their origin, so that the other regions go on. They are
processed from here when the region is back; until the last of them is done, new ones queue up behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka.errors import KafkaError
from faust.types import TP

from streams_app.changefeed import Record, RecordLike
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.lanes import Lane
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

_OWN = ("parked-topic", "parked-partition", "parked-offset")

# The lane only waits while its region is down: it has nothing to lose when partitions go.
DRAIN_TIMEOUT = 1.0


class TopicParkingLot:
    """Parks the records of routes on their topics."""

    def __init__(self, app: StreamsApp, topics: Mapping[str, TopicSpec], is_down: Callable[[str], bool]) -> None:
        self._app = app
        self._topics = topics
        self._is_down = is_down
        self._lanes: dict[str, Lane] = {}
        # The last record this worker parked on each partition, since it got the partition.
        self._parked: dict[str, dict[TP, int]] = {route: {} for route in topics}

    def drain_into(self, process: Callable[[Sequence[RecordLike]], Awaitable[None]], settings: Settings) -> None:
        """Declare the batch agents that process what was parked."""

        async def unparked(records: Sequence[RecordLike]) -> None:
            await process([unwrapped(record) for record in records])

        for route, topic in self._topics.items():
            lane = self._app.batch_agent(
                f"parked in {route}",
                [topic],
                unparked,
                settings,
                drain_timeout=DRAIN_TIMEOUT,
                waits=lambda route=route: self._is_down(route),  # type: ignore[misc]
            )
            lane.on_reset = self._parked[route].clear
            self._lanes[route] = lane

    def holds(self, route: str) -> bool:
        """Whether the route is down, or records of it are still parked on partitions of this worker."""
        if self._is_down(route):
            return True
        positions, parked = self._lanes[route].positions, self._parked[route]
        if any(positions.get(tp, 0) <= offset for tp, offset in parked.items()):
            return True
        topic, lag = self._topics[route].name, self._app.consumer.lag()
        # Just assigned, its end not yet known: something may be parked there.
        return any(lag.get(tp, 1) for tp in self._app.consumer.assignment() if tp.topic == topic)

    async def park(self, route: str, records: Sequence[RecordLike]) -> None:
        """Store records of a route, each on the partition it came from. Raises ConnectionError, to be tried again."""
        topic = self._topics[route].name
        try:
            stored = await asyncio.gather(*(self._send(topic, record) for record in records))
        except KafkaError as error:
            raise ConnectionError(f"{topic}: {error}") from error
        self._parked[route].update(stored)

    async def _send(self, topic: str, record: RecordLike) -> tuple[TP, int]:
        headers = [*wrapped_headers(record), *(record.headers or ())]
        place = await self._app.producer.send_and_wait(topic, record.key, record.value, record.partition, None, headers)
        return TP(topic, record.partition), place.offset


def wrapped_headers(record: RecordLike) -> list[tuple[str, bytes]]:
    """Where a record comes from, as headers."""
    return list(zip(_OWN, (record.topic.encode(), b"%d" % record.partition, b"%d" % record.offset), strict=True))


def unwrapped(record: RecordLike) -> Record:
    """A parked record as it was at its origin."""
    headers = tuple(record.headers or ())
    topic, partition, offset = (dict(headers)[name] or b"" for name in _OWN)
    kept = tuple((name, value) for name, value in headers if name not in _OWN)
    return Record(topic.decode(), int(partition), int(offset), record.key, record.value, kept)
