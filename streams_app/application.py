"""The composition root: settings → regions → Faust app → systems. The only place where things are wired."""

from __future__ import annotations

import logging
from functools import partial

import click
from faust.cli.base import cli as faust_cli

from streams_app import traced, tracked
from streams_app.advice import explain, is_misconfigured
from streams_app.allocated import SERVICE, add_allocations
from streams_app.background import announce_to_prometheus, repeating, watchdog
from streams_app.commands import dead_letters, replay
from streams_app.commands.relay import relay_command
from streams_app.commands.schema import all_topics, migrate_command, schema_files, topics_command
from streams_app.commands.simulating import OUTSIDE
from streams_app.commands.trading import TRADING_COMMANDS
from streams_app.commands.verify import verify_command
from streams_app.databases import Databases
from streams_app.databases.migrations import check_schema
from streams_app.delivery.batches import BatchProcessor
from streams_app.errors import StartError, is_outage
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.app import StreamsApp, create_faust_app
from streams_app.kafka.dead_letters import TopicDeadLetterSink
from streams_app.kafka.event_sender import EventSender
from streams_app.kafka.parking import TopicParkingLot
from streams_app.kafka.record_sink import record_sink
from streams_app.kafka.versions import ChangelogVersionTable
from streams_app.observability.logs import logging_config
from streams_app.observability.pages import Observer, add_pages
from streams_app.settings import Settings
from streams_app.systems.allocations import commands as allocations_commands
from streams_app.systems.allocations import simulate_commands
from streams_app.systems.allocations.commands import allocations_group
from streams_app.systems.requests import commands as requests_commands
from streams_app.systems.requests.agents import TOPICS, RequestsHandler
from streams_app.systems.requests.orchestrator import SYSTEM, Orchestrator
from streams_app.systems.requests.static import check_static_tables
from streams_app.systems.requests.store import Store
from streams_app.systems.requests.sweeper import Sweeper
from streams_app.systems.requests.workflow import WorkflowBook, load_workflows
from streams_app.systems.trace_store import commands as traces_commands
from streams_app.systems.trace_store import load_commands
from streams_app.systems.tracking import commands as tracking_commands
from streams_app.systems.tracking import resend_commands
from streams_app.systems.tracking.observer import ObservedHandler
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.trading import generate_commands
from streams_app.systems.trading.commands import trading_group
from streams_app.topics import DEAD_LETTERS, SIGNAL_TOPICS, TRACE_TOPICS, parked_topic
from streams_app.traded import add_trading

logger = logging.getLogger(__name__)

# Seconds between looks for requests that another region, which was down, lets go on.
RESUME_INTERVAL = 1.0


def create_app(settings: Settings) -> StreamsApp:
    """The whole application, not yet started. Raises WorkflowError."""
    app = create_faust_app(settings)
    app.conf.logging_config = logging_config(settings.log_format)
    databases = Databases(settings)
    book = load_workflows(settings.workflows).scaled(settings.deadline_scale)
    tables: dict[str, ChangelogVersionTable] = {}
    letters = TopicDeadLetterSink(app, DEAD_LETTERS)
    if "requests" in settings.systems:
        tables = _add_requests(app, settings, databases, book, letters)
    if "trace_store" in settings.systems:
        traced.add_trace_store(app, settings, databases, letters)
        traced.add_trace_pages(app, settings)
    if "trading" in settings.systems:
        add_trading(app, settings, databases, letters)
    if "allocations" in settings.systems:
        add_allocations(app, settings, letters)
    observer = Observer(app, databases, tables, settings.stall_timeout)
    add_pages(app, observer)
    app.before_start.append(lambda: _check(settings, databases, book))
    app.after_stop.append(databases.close)
    if settings.prometheus.targets_file is not None:
        announce_to_prometheus(app, settings.prometheus.targets_file)
    app.task(watchdog(app, observer, settings.stall_timeout))
    return app


def _add_requests(
    app: StreamsApp, settings: Settings, databases: Databases, book: WorkflowBook, letters: TopicDeadLetterSink
) -> dict[str, ChangelogVersionTable]:
    """Declare what drives requests, tells of their ends, and keeps the logs of events; returns the tables."""
    store = Store(databases, TrackedPublisher(SYSTEM, settings))
    orchestrator = Orchestrator(store, databases.regions, book)
    versions = ChangelogVersionTable(app, "requests-versions", settings)
    handler = ObservedHandler(
        RequestsHandler(orchestrator, book, databases.regions, settings.max_value_bytes),
        settings.app_id,
        databases,
        settings.tracking,
    )
    parking = TopicParkingLot(app, {name: parked_topic(name) for name in settings.regions}, databases.is_down)
    processors = [BatchProcessor(handler, versions, letters, parking) for _ in range(settings.lanes)]
    app.batch_agent("requests", TOPICS, processors, settings)
    parking.drain_into(lambda: BatchProcessor(handler, versions, letters), settings)
    tracked.add_notices(app, settings, databases, letters)
    tracked.add_relays(app, settings, databases)
    tracked.add_care(app, settings, databases)
    for region in databases.regions.names:
        sweeper = Sweeper(store, orchestrator, book, region)
        app.task(repeating(app, sweeper.sweep, region, settings.sweep_interval))
        app.task(repeating(app, sweeper.resume, region, RESUME_INTERVAL))
    return {"requests-versions": versions}


async def _check(settings: Settings, databases: Databases, book: WorkflowBook) -> None:
    """Refuse to start on topics or tables that do not fit; open the pools."""
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        await admin.check(all_topics(settings))
    await databases.open()
    files = schema_files(settings)
    for region in databases.regions.names:
        try:
            await databases.probe(region)
            await check_schema(databases, files, region)
            await check_static_tables(databases, book, region)
        except Exception as error:
            if is_misconfigured(error):
                raise StartError(f"region {region}: {explain(error)}") from None
            if not is_outage(error):
                raise
            # A region that is down stops only its own requests.
            logger.warning("region %s does not answer, its tables are not checked: %s", region, explain(error))


COMMANDS: list[click.Command] = [
    migrate_command,
    topics_command,
    verify_command,
    *dead_letters.COMMANDS,
    *replay.COMMANDS,
    *requests_commands.COMMANDS,
    *tracking_commands.COMMANDS,
    *traces_commands.COMMANDS,
    trading_group,
    allocations_group,
]


def add_commands() -> None:
    """Put our commands beside Faust's: `faust -A streams_app …`."""
    resend_commands.sender_factory = lambda settings: EventSender(bootstrap_servers(settings.broker_url))
    load_commands.topic_sink = partial(record_sink, TRACE_TOPICS)
    generate_commands.topic_sink = partial(record_sink, SIGNAL_TOPICS)
    allocations_commands.publisher_factory = partial(TrackedPublisher, SERVICE)
    simulate_commands.outside = OUTSIDE
    for command in simulate_commands.COMMANDS:
        allocations_group.add_command(command)
    tracking_commands.tracking_group.add_command(relay_command)
    for command in TRADING_COMMANDS:
        trading_group.add_command(command)
    for command in COMMANDS:
        faust_cli.add_command(command)
