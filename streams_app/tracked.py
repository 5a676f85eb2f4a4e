"""How the tracking system is wired into a worker: what observes, consumes, relays, and looks after the logs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from streams_app.background import repeating
from streams_app.databases import Databases
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetterSink
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.parking import TopicParkingLot
from streams_app.settings import Settings
from streams_app.systems.requests import notices
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.relay import Relay
from streams_app.topics import REQUEST_OUTCOMES, parked_notices_topic


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


def add_relays(app: StreamsApp, settings: Settings, databases: Databases, letters: DeadLetterSink) -> None:
    """Let the worker carry the events of every region to their topics."""
    app.task(partial_task("relays", lambda: relay_all(settings, databases, letters)))


async def relay_all(settings: Settings, databases: Databases, letters: DeadLetterSink) -> None:
    """Publish the events of every region, for ever; cancel it to stop."""
    async with AsyncExitStack() as stack:
        servers = bootstrap_servers(settings.broker_url)
        # One sender a region: a region's round never waits for another's.
        senders = {name: await stack.enter_async_context(EventSender(servers)) for name in settings.regions}
        relays = [Relay(databases, name, senders[name], letters, settings.tracking) for name in settings.regions]
        async with asyncio.TaskGroup() as group:
            for relay in relays:
                group.create_task(relay.run())


def partial_task(name: str, call: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """`call` under a name, as Faust wants its tasks."""

    async def run() -> None:
        await call()

    run.__name__ = name
    return run
