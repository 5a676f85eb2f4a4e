"""Tracked events of whole workers: killed, stopped, a region away, replayed; each ended request is told of once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from deploy.local import Stack
from deploy.local.scraped import total_of
from deploy.local.worker import Worker
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.event_sender import EventSender
from streams_app.settings import Settings
from streams_app.systems.tracking import resend_commands
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.topics import REQUEST_OUTCOMES
from tests.fix_stack import Application, Workers, eventually
from tests.integration.data import complete, insert_requests
from tests.integration.events import event, make_topic, read_topic, servers
from tests.integration.tracking_rows import Commands

pytestmark = pytest.mark.stack

REQUESTS = 60
# A dead worker's events are another one's soon.
SHORT_LEASE = {"STREAMS_TRACKING__LEASE": "2"}
WEST = "us-west"
STALE = {"system": "notices", "topic": REQUEST_OUTCOMES.name, "outcome": "stale"}
ENDED = """
    SELECT h.request_id::text, l.is_terminal
      FROM request_status_head h JOIN request_action_state_link l USING (action_state_link_id)
"""
PRODUCED = "SELECT correlation_id, event_id, status FROM event_production_log WHERE topic = %s"
LEFT = "SELECT 1 FROM event_production_log WHERE status = 'PUBLISHING' AND updated_at <= %s"
CONSUMED = "SELECT event_id, consumer_group, status FROM event_consumption_log WHERE topic = %s"
ROWS = """
    SELECT (SELECT count(*) FROM request_notice), (SELECT count(*) FROM event_consumption_log WHERE topic = %s),
           (SELECT count(*) FROM event_production_log)
"""


@dataclass
class World:
    """Requests that all have ended, and the worker that lives."""

    settings: Settings
    worker: Worker
    #: Statuses of events on their way out, when the worker that was asked to stop had ended.
    after_stop: list[str] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)

    def read(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of all regions."""
        found: list[tuple[Any, ...]] = []
        for region in self.settings.regions.values():
            with psycopg.connect(**connect_arguments(self.settings.database, region.server, "readonly")) as connection:
                found += connection.execute(sql.encode(), arguments).fetchall()
        return found

    def counts(self) -> list[int]:
        """Notices, consumed events and produced events."""
        return [sum(column) for column in zip(*self.read(ROWS, REQUEST_OUTCOMES.name), strict=True)]


def until(check: Callable[[], Any], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def world(stack: Stack, settings: Settings, application: Application) -> Iterator[World]:
    """A worker is killed with -9 in the middle of the requests, another is asked to stop, a third one ends the work."""
    workers = Workers(stack)
    try:
        [first] = workers.start(**SHORT_LEASE)
        first.await_ready()
        made = World(settings, first)
        earlier = {row[0] for row in made.read(ENDED)}
        published = len(made.read(PRODUCED, REQUEST_OUTCOMES.name))

        def new_events(count: int) -> Callable[[], bool]:
            return lambda: len(made.read(PRODUCED, REQUEST_OUTCOMES.name)) >= published + count

        arguments = ("--total", str(REQUESTS), "--rate", "0", "--seed", f"tracking-{time.time()}", "--answer", "--json")
        generator = application.start("generate", *arguments)
        until(new_events(REQUESTS // 6), "the first requests end")
        first.kill()
        killed = datetime.now(UTC)
        [second] = workers.start(**SHORT_LEASE)
        until(new_events(REQUESTS // 2), "half of the requests end")
        until(lambda: not made.read(LEFT, killed), "what the dead worker had taken is taken back")
        assert second.stop() == 0
        made.after_stop = [row[2] for row in made.read(PRODUCED, REQUEST_OUTCOMES.name)]
        [made.worker] = workers.start()
        output, errors = generator.communicate(timeout=120)
        assert generator.returncode == 0, errors
        assert json.loads(output)["open"] == 0
        made.requests = {row[0] for row in made.read(ENDED) if row[1]} - earlier
        until(lambda: len(notices(made)) >= REQUESTS, "every client is told")
        made.worker.await_ready()
        yield made
    finally:
        workers.stop()


@pytest.fixture
def commands(settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """`tracking …`, in this process."""
    monkeypatch.setattr(resend_commands, "sender_factory", lambda _: EventSender(servers(settings)))
    return Commands(settings, stack, monkeypatch)


def notices(world: World) -> list[str]:
    """The events of the world's requests that clients were told of."""
    told = world.read("SELECT request_id::text, event_id FROM request_notice")
    return [event_id for request, event_id in told if request in world.requests]


def test_each_request_that_ended_was_published_processed_and_told_of_once(world: World) -> None:
    assert len(world.requests) == REQUESTS
    produced = [row for row in world.read(PRODUCED, REQUEST_OUTCOMES.name) if row[0] in world.requests]
    assert sorted(row[0] for row in produced) == sorted(world.requests)
    assert {row[2] for row in produced} == {"PUBLISHED"}
    ids = sorted(row[1] for row in produced)
    consumed = [row for row in world.read(CONSUMED, REQUEST_OUTCOMES.name) if row[0] in set(ids)]
    assert sorted(consumed) == [(name, world.settings.app_id, "PROCESSED") for name in ids]
    assert sorted(notices(world)) == ids


def test_a_worker_that_is_asked_to_stop_leaves_nothing_half_published(world: World) -> None:
    assert len(world.after_stop) >= REQUESTS // 2
    assert world.after_stop.count("PUBLISHING") == 0


async def test_the_commands_speak_of_them(world: World, commands: Commands) -> None:
    status = await commands.json("status", status=None)
    services = {(row["service"], row["side"]): row for row in status["services"]}
    assert services["requests", "produced"]["events"] >= REQUESTS
    assert services["notices", "consumed"]["events"] >= REQUESTS
    request = min(world.requests)
    trace = await commands.json("trace", request)
    told = [step for step in trace["steps"] if step["kind"] == "consumed" and step["service_name"] == "notices"]
    assert [step["status"] for step in told] == ["PROCESSED"]
    shown = await commands.json("show", told[0]["event_id"])
    assert [row["status"] for row in shown["productions"]] == ["PUBLISHED"]
    assert [(row["status"], row["service_name"]) for row in shown["consumptions"]] == [("PROCESSED", "notices")]


async def test_verify_finds_nothing_in_the_logs_and_on_the_topics(world: World, application: Application) -> None:
    verify = "verify", "--system", "tracking", "--topics", "--json"
    report = json.loads(await asyncio.to_thread(application.run, *verify))
    assert report["verdict"] == "ok"
    assert set(report["totals"].values()) == {0}
    assert report["records"] >= report["published"] >= REQUESTS


async def test_a_replay_makes_no_new_effect(world: World, settings: Settings, commands: Commands) -> None:
    before = world.counts()
    stale = total_of(world.worker.metrics(), "streams_records_total", **STALE)
    replay = ("replay", "--topic", REQUEST_OUTCOMES.name, "--from", "1h", "--to", "0s", "--yes")
    sent = (await commands.json(*replay))["sent"]
    assert sent == before[1] >= REQUESTS

    async def all_seen() -> bool:
        """the worker has seen what was sent again"""
        return total_of(world.worker.metrics(), "streams_records_total", **STALE) == stale + sent

    await eventually(all_seen)
    assert world.counts() == before
    other = await make_topic(settings)
    assert (await commands.json(*replay, "--into", other))["sent"] == sent
    records = await read_topic(settings, other)
    assert sorted(dict(record.headers)["event_id"].decode() for record in records) == sorted(
        row[0] for row in world.read(CONSUMED, REQUEST_OUTCOMES.name)
    )
    assert world.counts() == before


async def test_a_region_that_is_away_stops_only_its_own_events(stack: Stack, settings: Settings, world: World) -> None:
    topic = await make_topic(settings)
    # Front offices that do not need the pooler: they go on writing while workers are cut off.
    straight = {name: r.model_copy(update={"pooler": r.server}) for name, r in settings.regions.items()}
    async with Databases(settings.model_copy(update={"regions": straight})) as databases:
        stack.kill(f"pgbouncer-{WEST}")
        try:
            requests = {name: await insert_requests(databases, name, 5) for name in (WEST, "us-east")}
            for name in settings.regions:
                async with databases.transaction(name) as connection:
                    events = [event(topic, f"{topic}-{name}-{number}", name) for number in range(20)]
                    await TrackedPublisher("tests", settings).publish(name, events, connection)
            others = {name for name in settings.regions if name != WEST}
            await eventually(lambda: published(world, topic, others), 20)
            await eventually(lambda: told(world, requests["us-east"]), 30)
            assert not await published(world, topic, {WEST})
            assert not await complete(databases, requests[WEST])
        finally:
            await asyncio.to_thread(stack.restart, f"pgbouncer-{WEST}")
        await eventually(lambda: published(world, topic, set(settings.regions)), 30)
        await eventually(lambda: told(world, requests[WEST]), 60)
    records = [dict(record.headers)["event_id"].decode() for record in await read_topic(settings, topic)]
    for name in settings.regions:
        mine = list(dict.fromkeys(record for record in records if record.startswith(f"{topic}-{name}-")))
        assert mine == [f"{topic}-{name}-{number}" for number in range(20)]


async def published(world: World, topic: str, regions: set[str]) -> bool:
    """all events of the regions are on their topic"""
    of_topic = "SELECT status FROM event_production_log WHERE topic = %s AND region = ANY(%s)"
    rows = world.read(of_topic, topic, [*regions])
    return [row[0] for row in rows] == ["PUBLISHED"] * 20 * len(regions)


async def told(world: World, keys: list[Any]) -> bool:
    """clients were told of the end of all these requests, once each"""
    ids = [key.request_id for key in keys]
    return len(world.read("SELECT 1 FROM request_notice WHERE request_id = ANY(%s)", ids)) == len(ids)
