"""What the databases and the broker say of a run, read past the poolers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from aiokafka import TopicPartition

from deploy.tracking_chaos.effects import ByKey, by_key
from deploy.tracking_chaos.plan import SQL, TABLES
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.reading import admin_client, reader
from streams_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Progress:
    """How many events were written, are published, and were processed, by all groups together."""

    written: int
    published: int
    processed: int

    def settled(self, groups: int) -> bool:
        """Whether everything that was written has had its effects."""
        return self.published == self.written and self.processed == self.written * groups


class Readings:
    """Reads every region's server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connections = {
            name: psycopg.connect(**connect_arguments(settings.database, region.server, "readonly"))
            for name, region in settings.regions.items()
        }

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def progress(self) -> Progress:
        """Progress of all regions now."""
        rows = [row for region in self._connections for row in self._read(region, "progress")]
        return Progress(*(sum(column) for column in zip(*rows, strict=True)))

    def facts(self) -> ByKey:
        """What was written, by key."""
        return by_key(row for region in self._connections for row in self._read(region, "facts"))

    def effects(self, group: str) -> ByKey:
        """What one group made of it, by key; those of a key are in one region."""
        rows = (row for region in self._connections for row in self._read(region, "effects"))
        return by_key((key, event) for of, key, event in rows if of == group)

    def _read(self, region: str, name: str) -> list[tuple[Any, ...]]:
        return self._connections[region].execute(SQL[name], {"region": region}).fetchall()


def make_tables(settings: Settings) -> None:
    """Make the tables of facts and effects in every region."""
    for region in settings.regions.values():
        with psycopg.connect(**connect_arguments(settings.database, region.server, "owner")) as connection:
            connection.execute(TABLES.read_bytes())


def lag(broker_url: str, topic: str, partitions: int, groups: Sequence[str]) -> int:
    """Records of the topic that a group has not acked yet, of all groups."""
    return asyncio.run(_lag(broker_url, topic, partitions, groups))


async def _lag(broker_url: str, topic: str, partitions: int, groups: Sequence[str]) -> int:
    places = [TopicPartition(topic, number) for number in range(partitions)]
    async with reader(broker_url) as consumer, admin_client(broker_url) as admin:
        ends = await consumer.end_offsets(places)
        total = 0
        for group in groups:
            done = await admin.list_consumer_group_offsets(group)
            total += sum(end - max(0, done[place].offset if place in done else 0) for place, end in ends.items())
    return total
