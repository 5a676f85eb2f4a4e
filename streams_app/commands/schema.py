"""`migrate` and `topics`: make databases and broker fit for the application."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import click
import psycopg

from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table
from streams_app.databases.connecting import connect_arguments
from streams_app.databases.dialect import DIALECTS
from streams_app.databases.domains import domain_names, place_of
from streams_app.databases.migrations import Migration, find_migrations, migrate
from streams_app.kafka.admin import TopicAdmin
from streams_app.settings import Settings, load_settings
from streams_app.systems.requests.static import write_static_tables
from streams_app.systems.requests.workflow import load_workflows
from streams_app.topics import (
    DEAD_LETTER_AUDIT,
    DEAD_LETTERS,
    REQUEST_TOPICS,
    TRACE_TOPICS,
    TRADING_TOPICS,
    TopicSpec,
    allocation_topics,
    changelog_topic,
    domain_heartbeat_topic,
    heartbeat_topic,
    orders_heartbeat_topic,
    parked_decisions_topic,
    parked_notices_topic,
    parked_orders_topic,
    parked_topic,
    parked_traces_topic,
    signals_changelog,
)

TABLES_SQL = Path(__file__).resolve().parents[2] / "tables_sql"
SYSTEMS = ["delivery", "tracking", "requests", "trace_store", "trading"]
TABLES = ["requests-versions"]
# Domains in which steps work: they have fences, an outbox and an inbox.
STEP_DOMAINS = ["holdings", "orders", "trades", "allocations"]


def all_topics(settings: Settings) -> list[TopicSpec]:
    """Every topic the application needs: its own, its changelogs, the connectors' heartbeats."""
    topics = [DEAD_LETTERS, DEAD_LETTER_AUDIT]
    if "requests" in settings.systems:
        topics += [*REQUEST_TOPICS, *(changelog_topic(settings.app_id, table) for table in TABLES)]
        makers = parked_topic, parked_notices_topic, heartbeat_topic
        topics += [make(region) for make in makers for region in settings.regions]
    if "trace_store" in settings.systems:
        topics += [*TRACE_TOPICS, *(parked_traces_topic(region) for region in settings.regions)]
    if "trading" in settings.systems:
        topics += TRADING_TOPICS
        topics += [signals_changelog(settings.app_id)] if "processor" in settings.trading.roles else []
        makers = parked_decisions_topic, parked_orders_topic, orders_heartbeat_topic
        topics += [make(region) for make in makers for region in settings.regions]
    if "allocations" in settings.systems:
        topics += allocation_topics(settings.allocations.partitions)
        topics += [domain_heartbeat_topic(domain) for domain in STEP_DOMAINS]
    return topics


def schema_files(settings: Settings) -> list[Migration]:
    """The migrations of every system, in the dialect of the databases."""
    return list(find_migrations(TABLES_SQL / DIALECTS[settings.database.dialect].folder, SYSTEMS))


def domain_files(settings: Settings, domain: str) -> list[Migration]:
    """The migrations of a domain of allocations."""
    folder = TABLES_SQL / DIALECTS[settings.database.dialect].folder
    own = find_migrations(folder / "allocations", [domain])
    if domain not in STEP_DOMAINS:
        return list(own)
    # Rows of a region have a home in CockroachDB, which those of a domain have not.
    homeless = folder / "allocations" / "steps"
    if homeless.exists():
        return [*find_migrations(folder / "allocations", ["steps"]), *own]
    return [*find_migrations(folder, ["delivery", "tracking"]), *own]


def migrate_domain(settings: Settings, domain: str) -> list[Migration]:
    """Create or update the tables of a domain. Raises what psycopg raises, and StartError."""
    place = place_of(settings, domain, "owner")
    with psycopg.connect(**connect_arguments(place.login, place.address, "owner", place.database)) as connection:
        return migrate(connection, domain_files(settings, domain), DIALECTS[settings.database.dialect])


@click.command("migrate")
@asynchronous
async def migrate_command() -> None:
    """Create or update the tables of every region, and the workflows in them; and those of the domains."""
    settings = load_settings()
    book = load_workflows(settings.workflows)
    dialect = DIALECTS[settings.database.dialect]
    files = schema_files(settings)
    for name, region in settings.regions.items():
        arguments = connect_arguments(settings.database, region.server, "owner")
        with psycopg.connect(**arguments) as connection:
            applied = migrate(connection, files, dialect)
            write_static_tables(connection, book)
        console.print(f"{name}: {_applied(applied)}; {len(book.by_type)} workflows, {len(book.by_link)} links")
    if "allocations" in settings.systems:
        with ThreadPoolExecutor() as pool:
            names = domain_names(settings)
            for name, applied in zip(names, pool.map(partial(migrate_domain, settings), names), strict=True):
                console.print(f"domain {name}: {_applied(applied)}")


@click.command("topics")
@click.option("--create", is_flag=True, help="Create the topics that are missing.")
@json_option
@asynchronous
async def topics_command(create: bool, as_json: bool) -> int:
    """Show every topic and whether it fits; exit status 1 when one does not."""
    settings = load_settings()
    specs = all_topics(settings)
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        created = set(await admin.create_missing(specs)) if create else set()
        wrong = await admin.differences(specs)
        rows = [
            (s.name, s.key, admin.partitions_of(s), wrong.get(s.name, "created" if s.name in created else "ok"))
            for s in specs
        ]
    columns = ("topic", "key", "partitions", "state")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("Topics", columns, rows)
    return 1 if wrong else 0


def _applied(applied: list[Migration]) -> str:
    return "applied " + ", ".join(m.name for m in applied) if applied else "schema up to date"
