"""Faults of what is kept in Kafka: positions go back to the beginning, the table's changelog is lost."""

from __future__ import annotations

import asyncio
import subprocess
import time
from dataclasses import dataclass
from random import Random
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient

from deploy.chaos.errors import ChaosError
from deploy.chaos.faults.base import Fault
from deploy.chaos.system import System
from deploy.demo.run import APPLICATION
from deploy.local.layout import PROJECT
from streams_app.commands.schema import TABLES
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings
from streams_app.topics import changelog_topic

# Seconds; a killed worker is a member of its group until its session ends.
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
        _to_the_beginning()

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


def _to_the_beginning() -> None:
    """The application's own command, tried until the group's last member is gone. Raises ChaosError."""
    deadline = time.monotonic() + LIMIT
    while True:
        command = [*APPLICATION, "replay", "--to-earliest", "--yes"]
        done = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise ChaosError(f"replay is refused:\n{done.stdout.decode()}{done.stderr.decode()}")


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
