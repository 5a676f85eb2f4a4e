"""The broker is away while events are committed all the time: they wait, and go out in order when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

import pytest

from deploy.local import Stack
from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.settings import Settings
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from streams_app.tracked import relay_all
from tests.fix_stack import eventually
from tests.integration.events import Letters, event, make_topic, publish, read_topic
from tests.integration.tracking_rows import Commands

pytestmark = pytest.mark.stack

OUTAGE_SECONDS = 5
KEYS = 4
PAUSE = 0.03
STATES = b"""
    SELECT status, count(*), max(retry_count) FROM event_production_log
     WHERE region = %s AND topic = %s GROUP BY status
"""
# No key of its own: it would hide every repetition.
EFFECT = b"INSERT INTO request_notice SELECT 0, gen_random_uuid(), 3, unnest(%s::text[]), now()"
EFFECTS = b"SELECT event_id, count(*) FROM request_notice WHERE event_id LIKE %s GROUP BY 1"


class Writers:
    """A service in each region that commits an event every few moments."""

    def __init__(self, databases: Databases, settings: Settings, topic: str) -> None:
        self._databases = databases
        self._settings = settings
        self._topic = topic
        self.committed: list[tuple[str, int]] = []
        self._stopping = False

    async def write(self, region: str) -> None:
        """Commit events until they are stopped."""
        for number in count():
            if self._stopping:
                return
            made = event(self._topic, f"{self._topic}-{region}-{number}", f"{region}-{number % KEYS}", region=region)
            await publish(self._databases, self._settings, made, region=region)
            self.committed.append((region, number))
            await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """All regions write meanwhile. They are not cancelled: a commit may be done and not told of."""
        async with asyncio.TaskGroup() as group:
            for region in self._databases.regions.names:
                group.create_task(self.write(region))
            try:
                yield
            finally:
                self._stopping = True


@asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """It runs meanwhile, and must not have ended by itself."""
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def states(databases: Databases, topic: str) -> dict[str, int]:
    """How many events are in each state; none has spent a try."""
    found: dict[str, int] = {}
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            for status, events, tries in await (await connection.execute(STATES, (region, topic))).fetchall():
                found[status] = found.get(status, 0) + events
                assert tries == 0
    return found


async def effects_of(databases: Databases, settings: Settings, topic: str, records: Sequence[Record]) -> dict[str, int]:
    """How often each event had its effect, after a consumer got all records twice."""

    async def work(connection: Connection, region: str, events: Sequence[Incoming]) -> None:
        await connection.execute(EFFECT, ([one.event_id for one in events],))

    consumer = TrackedConsumer("tests", topic, databases, lambda one: one.data["region"], work, settings)
    letters = Letters()
    processor = BatchProcessor(consumer, NoVersions(), letters)
    for _ in range(2):
        await processor.process(processor.decode(records))
    assert letters.sent == []
    found: dict[str, int] = {}
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            found |= dict(await (await connection.execute(EFFECTS, (f"{topic}-%",))).fetchall())
    return found


async def test_while_the_broker_is_away_events_wait_and_go_out_in_order_afterwards(
    stack: Stack, fresh_databases: Databases, fresh_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(fresh_settings, stack, monkeypatch)
    monkeypatch.setenv("STREAMS_TRACKING__BACKLOG_ALERT", "20")
    topic = await make_topic(fresh_settings)
    writers = Writers(fresh_databases, fresh_settings, topic)

    async def some_published() -> bool:
        """events flow"""
        return (await states(fresh_databases, topic)).get("PUBLISHED", 0) > 60

    async def all_published() -> bool:
        """every event is published"""
        return await states(fresh_databases, topic) == {"PUBLISHED": len(writers.committed)}

    async with running(asyncio.create_task(relay_all(fresh_settings, fresh_databases))):
        async with writers.writing():
            await eventually(some_published)
            await asyncio.to_thread(stack.kill, "kafka")
            before, began = len(writers.committed), time.monotonic()
            try:
                await asyncio.sleep(OUTAGE_SECONDS)
                status = await commands.json("status", status=1)
                waiting = await states(fresh_databases, topic)
            finally:
                await asyncio.to_thread(stack.restart, "kafka")
            meanwhile, away = len(writers.committed) - before, time.monotonic() - began
        began = time.monotonic()
        await eventually(all_published, 60)
        drained = time.monotonic() - began
    print(f"{meanwhile} events committed in {away:.1f} s without a broker, all published {drained:.1f} s later")
    assert sum(events for name, events in waiting.items() if name != "PUBLISHED") > 20 * len(fresh_settings.regions)
    assert "FAILED" not in waiting
    alerts = {(alert["region"], alert["name"]) for alert in status["alerts"]}
    assert {(region, "backlog") for region in fresh_settings.regions} <= alerts
    assert sum(status["regions"]["all"]["backlog"]["counts"]["produced"].values()) > 60

    records = await read_topic(fresh_settings, topic)
    by_key: dict[bytes, list[int]] = {}
    for record in records:
        name = dict(record.headers)["event_id"].decode()
        by_key.setdefault(record.key, []).append(int(name.rpartition("-")[2]))
    for numbers in by_key.values():
        first = list(dict.fromkeys(numbers))
        assert first == sorted(first)
    assert sum(len(set(numbers)) for numbers in by_key.values()) == len(writers.committed)
    made = await effects_of(fresh_databases, fresh_settings, topic, records)
    assert made == {f"{topic}-{region}-{number}": 1 for region, number in writers.committed}
    # Whoever comes next finds the connectors at work again.
    await asyncio.to_thread(stack.connect.await_connectors)
