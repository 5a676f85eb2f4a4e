"""How allocations are wired into a worker: each step behind its topic, in the database of its domain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from streams_app.advice import explain, is_misconfigured
from streams_app.allocation_settings import STEP_DOMAINS, StepName
from streams_app.background import Task, named, repeating
from streams_app.commands.schema import domain_files
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.domains import domain_databases
from streams_app.databases.migrations import check_schema
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import EventPublisher, NoVersions
from streams_app.delivery.ports import DeadLetterSink, Handler
from streams_app.errors import RegionUnavailableError, StartError, is_outage
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.confirming import confirm_all
from streams_app.settings import Settings
from streams_app.systems.allocations import messages
from streams_app.systems.allocations.blocker import Blocker
from streams_app.systems.allocations.booker import Booker
from streams_app.systems.allocations.capture import ExecutionCapture
from streams_app.systems.allocations.closer import Closer
from streams_app.systems.allocations.filler import Filler
from streams_app.systems.allocations.gaps import fill_gaps
from streams_app.systems.allocations.market import Market, Ticker
from streams_app.systems.allocations.oms import Oms
from streams_app.systems.allocations.opener import Opener
from streams_app.systems.allocations.quotes import Quotes
from streams_app.systems.allocations.reconciler import Reconciler, reconcile
from streams_app.systems.allocations.router import Router
from streams_app.systems.allocations.steps import Step
from streams_app.systems.tracking.confirmation import confirm
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from streams_app.systems.tracking.days import ensure_days
from streams_app.systems.tracking.figures import refresh
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.topics import ALLOCATION_TOPICS, TopicSpec, allocation_topics
from streams_app.tracked import relay_all

logger = logging.getLogger(__name__)

#: The service that the events of the steps are from.
SERVICE = "allocations"
# Seconds between looks at the days ahead, and at what waits.
DAYS_INTERVAL = 3600.0
GAUGES_INTERVAL = 15.0
# Seconds between rounds of a market that has nothing to do.
IDLE = 0.2
# Seconds between looks for executions that the topic owes.
GAPS_INTERVAL = 2.0


def add_allocations(app: StreamsApp, settings: Settings, letters: DeadLetterSink) -> None:
    """Declare the agents of the steps that the settings name, and what moves their domains on."""
    databases = domain_databases(settings)
    topics = {topic.name: topic for topic in allocation_topics(settings.allocations.partitions)}
    publisher = TrackedPublisher(SERVICE, settings)
    for step in steps_of(settings, databases):
        consumer = tracked_step(step, settings, databases, publisher)
        _add_agent(app, settings, letters, step.name, consumer, topics[step.topic])
    if "capture" in settings.allocations.steps:
        capture = ExecutionCapture(databases, settings.allocations, publisher)
        _add_agent(app, settings, letters, "capture", capture, topics[messages.EXECUTIONS])
        gaps = named("gaps", partial(fill_gaps, databases, settings.allocations, publisher))
        app.task(repeating(app, gaps, "allocations", GAPS_INTERVAL))
    if "market" in settings.allocations.steps:
        app.task(_market(app, Ticker(databases, settings.allocations), settings.allocations.market.interval))
    if "reconciler" in settings.allocations.steps:
        look = named("reconcile", partial(reconcile, databases, settings.allocations))
        app.task(repeating(app, look, "holdings", settings.allocations.reconcile_interval))
    _add_delivery(app, settings, databases)
    for domain in STEP_DOMAINS:
        days = named("days", partial(ensure_days, databases, domain, settings.tracking.days_ahead))
        gauges = named("gauges", partial(refresh, databases, domain, settings.tracking))
        app.task(repeating(app, days, domain, DAYS_INTERVAL))
        app.task(repeating(app, gauges, domain, GAUGES_INTERVAL))
    app.before_start.append(lambda: _check(settings, databases))
    app.after_stop.append(databases.close)


def steps_of(settings: Settings, databases: Databases) -> list[Step]:
    """The steps that the settings name, but the capture, which is no step of single events."""
    quotes, own = Quotes(databases), settings.allocations
    steps: list[Step] = [
        Router(quotes, own),
        Blocker(),
        Oms(quotes),
        Market(),
        Opener(databases, own),
        Filler(),
        Booker(own),
        Closer(),
        Reconciler(),
    ]
    return [step for step in steps if step.name in own.steps]


def tracked_step(step: Step, settings: Settings, databases: Databases, publisher: EventPublisher) -> TrackedConsumer:
    """A step whose events have their effect once, in the transaction that also writes down the events of the next."""

    async def work(connection: Connection, domain: str, events: Sequence[Incoming]) -> None:
        made = await step.work(connection, [event.data for event in events])
        await publisher.publish(domain, made, connection)

    system = f"allocations_{step.name}"
    return TrackedConsumer(system, settings.app_id, databases, lambda event: step.domain, work, settings)


def _add_agent(
    app: StreamsApp, settings: Settings, letters: DeadLetterSink, name: StepName, handler: Handler, topic: TopicSpec
) -> None:
    # A step has one domain: when that is down there is nothing else to go on with, so its batch waits.
    own = settings.model_copy(update={"batch_size": settings.allocations.unit(name)})
    processors = [BatchProcessor(handler, NoVersions(), letters) for _ in range(settings.lanes)]
    app.batch_agent(handler.system, [topic], processors, own)


def _market(app: StreamsApp, ticker: Ticker, interval: float) -> Task:
    """Rounds of the market: at once after one that had work, else after a pause."""

    async def market() -> None:
        attempt = 0
        while not app.should_stop:
            try:
                written = await ticker.round()
                attempt = 0
            except Exception as error:
                written, attempt = 0, attempt + 1
                if not isinstance(error, RegionUnavailableError) and attempt & (attempt - 1) == 0:
                    logger.warning("the market's attempt %d failed: %s", attempt, explain(error))
            await app.sleep(interval if written else max(interval, IDLE))

    return market


def _add_delivery(app: StreamsApp, settings: Settings, databases: Databases) -> None:
    """Let the worker carry the events of the steps to their topics; or, when Debezium does, note which arrived."""
    names = [topic.name for topic in ALLOCATION_TOPICS if topic.name != messages.EXECUTIONS]
    # The requests may confirm theirs in a group of the application's own name.
    own = settings.model_copy(update={"app_id": f"{settings.app_id}-allocations"})

    async def delivery() -> None:
        if settings.allocations.delivery == "relay":
            await relay_all(settings, databases, STEP_DOMAINS)
        else:
            await confirm_all(own, names, partial(confirm, databases))

    app.task(delivery)


async def _check(settings: Settings, databases: Databases) -> None:
    """Open the pools; refuse to start on tables that do not fit."""
    await databases.open()
    for domain in databases.regions.names:
        try:
            await databases.probe(domain)
            await check_schema(databases, domain_files(settings, domain), domain)
        except Exception as error:
            if is_misconfigured(error):
                raise StartError(f"domain {domain}: {explain(error)}") from None
            if not is_outage(error):
                raise
            logger.warning("domain %s does not answer, its tables are not checked: %s", domain, explain(error))
