"""Where the benchmark runs: a stack of its own, and events in one region of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from deploy.local import Stack
from deploy.local.settings_files import VARIABLE
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.delivery.events import Event
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings, load_settings
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.topics import TopicSpec

SQL = Statements(Path(__file__).with_name("work.sql"))
REGION = "us-east"
PARTITIONS = 8
# An event of about this many bytes.
_FILLER = "x" * 150
_AT_ONCE = 2000
# What takes no part takes no processor time either.
_NEEDED = ("kafka", f"postgres-{REGION}", f"pgbouncer-{REGION}")


class Place:
    """A running stack, its settings, and a way to fill and empty its logs."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        os.environ[VARIABLE] = str(stack.config_path)
        self.settings: Settings = load_settings()

    @property
    def servers(self) -> str:
        """The broker's address."""
        return bootstrap_servers(self.settings.broker_url)

    def only_needed(self) -> None:
        """Stop every part that the rest does without."""
        for part in set(self.stack.parts) - set(_NEEDED):
            self.stack.kill(part)

    @asynccontextmanager
    async def databases(self) -> AsyncIterator[Databases]:
        """The region's pool."""
        region = self.settings.regions[REGION]
        one = self.settings.model_copy(update={"regions": {REGION: region}})
        async with Databases(one) as opened:
            yield opened

    def owner(self) -> psycopg.Connection:
        """A connection as the owner of the tables, past the pooler."""
        server = self.settings.regions[REGION].server
        return psycopg.connect(**connect_arguments(self.settings.database, server, "owner"))

    def execute(self, *names: str) -> list[Any]:
        """Run statements of work.sql as the owner; returns the rows of the last."""
        with self.owner() as connection:
            for name in names:
                cursor = connection.execute(SQL[name])
            return cursor.fetchall() if cursor.description else []

    async def topic(self) -> str:
        """A new topic."""
        name = f"benchmark.events-{secrets.token_hex(4)}"
        async with TopicAdmin(self.settings.broker_url, PARTITIONS, 1) as admin:
            await admin.create_missing([TopicSpec(name, "key")])
        return name

    async def publish(self, databases: Databases, topic: str, count: int) -> None:
        """Commit events to the log, PENDING."""
        for start in range(0, count, _AT_ONCE):
            events = [event_of(topic, number) for number in range(start, min(count, start + _AT_ONCE))]
            async with databases.transaction(REGION) as connection:
                await TrackedPublisher("benchmark", self.settings).publish(REGION, events, connection)


def event_of(topic: str, number: int) -> Event:
    """One event of the work; a thousand keys."""
    payload = {"number": number, "amount": "12.50", "text": _FILLER}
    return Event(topic, "BENCHMARKED", f"{topic}-{number}", payload, f"key-{number % 1000}", f"trace-{number // 10}")


@contextmanager
def opened(root: Path) -> Iterator[Place]:
    """A stack in `root`, gone afterwards."""
    stack = Stack(root)
    stack.clean()
    try:
        stack.up()
        yield Place(stack)
    finally:
        stack.clean()
