"""Faults of what is kept in Kafka: positions go back to the beginning, the table's changelog is lost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.chaos.faults.base import Fault
from deploy.chaos.system import System
from streams_app.commands.schema import TABLES
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings
from streams_app.systems.requests.agents import TOPICS
from streams_app.topics import changelog_topic

# A killed worker is a member of its group until its session ends.
LIMIT = 30.0


@dataclass(frozen=True)
class Replay(Fault):
    """All workers stop, their positions go back to the beginning of every topic, and they start again."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Nothing is left to chance."""
        return cls(0)

    def inject(self, system: System) -> None:
        """Stop, and go back."""
        system.workers.resize(0)
        asyncio.run(_to_the_beginning(system.settings))

    def heal(self, system: System) -> None:
        """Start."""
        system.workers.resize(system.workers.count)

    @property
    def what(self) -> str:
        """As the class says."""
        return "replay from the beginning"


@dataclass(frozen=True)
class TableLost(Fault):
    """All workers are killed, the changelog topics of their tables are deleted and made again, empty; they start."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Nothing is left to chance."""
        return cls(0)

    def inject(self, system: System) -> None:
        """Kill, delete, make."""
        system.workers.kill_all()
        asyncio.run(_changelogs_anew(system.settings))

    def heal(self, system: System) -> None:
        """Start."""
        system.workers.resize(system.workers.count)

    @property
    def what(self) -> str:
        """As the class says."""
        return "workers kill -9, the table's changelog deleted"


async def _to_the_beginning(settings: Settings) -> None:
    """Commit offset 0 of every partition for the workers' group, once its last member is gone."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), group_id=settings.app_id, enable_auto_commit=False
    )
    async with consumer:
        places = [TopicPartition(topic.name, n) for topic in TOPICS for n in range(settings.topic_partitions)]
        consumer.assign(places)
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                await consumer.commit(dict.fromkeys(places, 0))
                return
            except KafkaError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)


async def _changelogs_anew(settings: Settings) -> None:
    specs = [changelog_topic(settings.app_id, table) for table in TABLES]
    names = {spec.name for spec in specs}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(settings.broker_url))
    await admin.start()
    try:
        await admin.delete_topics(list(names))
        while names & set(await admin.list_topics()):  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as topics:
        await topics.create_missing(specs)
