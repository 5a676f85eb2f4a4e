"""How the tracking system is wired into a worker: what observes, consumes, relays, and looks after the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial

from streams_app.background import named, repeating
from streams_app.databases import Databases
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetterSink
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.confirming import confirm_all
from streams_app.kafka.dead_letters import SentDeadLetters
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.parking import TopicParkingLot
from streams_app.settings import Settings
from streams_app.systems.requests import notices
from streams_app.systems.tracking.confirmation import confirm
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.days import ensure_days
from streams_app.systems.tracking.figures import refresh
from streams_app.systems.tracking.relay import Relay
from streams_app.topics import DEAD_LETTERS, EVENT_TOPICS, REQUEST_OUTCOMES, parked_notices_topic

# Seconds between looks at the days ahead, and at what waits; each worker does both for every region.
DAYS_INTERVAL = 3600.0
GAUGES_INTERVAL = 15.0


def add_notices(app: StreamsApp, settings: Settings, databases: Databases, letters: DeadLetterSink) -> None:
    """Declare the agent that tells clients how their requests ended."""
    told = notices.Notices(databases.regions)
    consumer = TrackedConsumer(notices.SYSTEM, settings.app_id, databases, told.route, told.tell, settings)
    topics = {name: parked_notices_topic(name) for name in settings.regions}
    parking = TopicParkingLot(app, topics, databases.is_down)
    app.batch_agent(
        notices.SYSTEM, [REQUEST_OUTCOMES], BatchProcessor(consumer, NoVersions(), letters, parking), settings
    )
    parking.drain_into(lambda: BatchProcessor(consumer, NoVersions(), letters), settings)


def add_relays(app: StreamsApp, settings: Settings, databases: Databases) -> None:
    """Let the worker carry the events of every region to their topics; or, when Debezium does, note which arrived."""

    async def relays() -> None:
        if settings.tracking.delivery == "relay":
            await relay_all(settings, databases)
        else:
            await confirm_all(settings, [topic.name for topic in EVENT_TOPICS], partial(confirm, databases))

    app.task(relays)


async def relay_all(settings: Settings, databases: Databases, places: Collection[str] | None = None) -> None:
    """Publish the events of every region, or of these places, for ever; cancel it to stop."""
    servers = bootstrap_servers(settings.broker_url)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for region in settings.regions if places is None else places:
            # One sender a region: a region's round never waits for another's.
            sender = await stack.enter_async_context(EventSender(servers))
            letters = SentDeadLetters(sender, DEAD_LETTERS)
            group.create_task(Relay(databases, region, sender, letters, settings.tracking).run())


def add_care(app: StreamsApp, settings: Settings, databases: Databases) -> None:
    """Let the worker make the days of the logs ahead, and show what the logs hold in its metrics."""
    for region in databases.regions.names:
        days = partial(ensure_days, databases, region, settings.tracking.days_ahead)
        gauges = partial(refresh, databases, region, settings.tracking)
        app.task(repeating(app, named("days", days), region, DAYS_INTERVAL))
        app.task(repeating(app, named("gauges", gauges), region, GAUGES_INTERVAL))
