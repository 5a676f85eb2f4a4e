"""What the databases and the topics say of a run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from aiokafka.errors import KafkaError

from deploy.chaos.servers import Servers
from deploy.trading_chaos.bad_signals import HEADER
from deploy.trading_chaos.noise import TOPIC
from deploy.trading_chaos.plan import EXECUTOR, MANAGER, PROCESSOR
from streams_app.commands.whole_topics import records_of
from streams_app.databases import Statements
from streams_app.errors import StartError
from streams_app.kafka.reading import admin_client, partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.topics import DECISIONS, ORDERS, SIGNAL_TOPICS, parked_decisions_topic, parked_orders_topic

SQL = Statements(Path(__file__).with_name("chaos.sql"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How many orders there are, and how many of them are executed."""

    orders: int
    executed: int


class Readings:
    """Reads every region's server, past the poolers, and the topics."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = Servers(settings)
        self._last: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def progress(self) -> Progress:
        """Progress now; a region that does not answer counts as it did the last time."""
        for region in self._settings.regions:
            if rows := self._servers.read(region, SQL["progress"], {"region": region}):
                self._last[region] = rows[0]
        return Progress(*(sum(counts) for counts in zip((0, 0), *self._last.values(), strict=True)))

    def behind(self) -> list[str]:
        """Where an application has not acked all that there is for it to read, parked records too; in words."""
        regions = self._settings.regions
        topics = {
            PROCESSOR: [topic.name for topic in SIGNAL_TOPICS],
            MANAGER: [DECISIONS.name, *(parked_decisions_topic(region).name for region in regions)],
            EXECUTOR: [ORDERS.name, *(parked_orders_topic(region).name for region in regions)],
        }
        try:
            found = [asyncio.run(_not_acked(self._settings, group, names)) for group, names in topics.items()]
        except (StartError, KafkaError) as error:
            return [f"nobody can say: {error}"]
        return list(chain.from_iterable(found))

    def bad_signals(self) -> int:
        """How many signals on the topics are marked as bad. Raises StartError."""
        return asyncio.run(_marked(self._settings))


async def _not_acked(settings: Settings, group: str, topics: Iterable[str]) -> list[str]:
    """Partitions with committed records behind the group's offsets; markers alone do not count."""
    counts = await partition_counts(settings.broker_url, list(topics))
    async with reader(settings.broker_url) as consumer, admin_client(settings.broker_url) as admin:
        done = await admin.list_consumer_group_offsets(group)
        places = (await whole_topics(consumer, counts)).items()
        behind = {place: (done[place].offset if place in done else low, high) for place, (low, high) in places}
        left = Counter([(each.topic, each.partition) async for each in records_between(consumer, behind)])
    return [f"{group}: {count} records of {topic}-{partition}" for (topic, partition), count in left.items()]


async def _marked(settings: Settings) -> int:
    return len([record async for record in records_of(settings, [TOPIC]) if HEADER in (record.headers or ())])
