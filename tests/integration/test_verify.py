"""`verify` finds each kind of violation: one is planted at a time in a world that is clean without it.

The plants are what the schema and the application rule out, so the constraints of the test's databases are dropped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

import psycopg
import pytest
from click.testing import CliRunner

from deploy.local import Stack
from streams_app.commands.verify import verify_command
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.verify_checks import CHECKS
from streams_app.systems.requests.workflow import WorkflowBook
from streams_app.verification import Report
from tests.fix_stack import administrator
from tests.integration.histories import STORIES, make_world, row_of
from tests.integration.plants import PLANTS, Plant
from tests.integration.plants_of_place import PLANTS_OF_PLACE

pytestmark = pytest.mark.stack

TABLES = (
    "request_action_state_link",
    "account_info",
    "account_number_claim",
    "request_info",
    "request_account_link",
    "trade_info",
    "request_event_log",
    "request_status_head",
    "request_signal",
    "request_notice",
)

# What the consumer of the requests' outcomes writes.
TELL = """
INSERT INTO request_notice (locality, request_id, status_id, event_id)
SELECT locality, request_id, status_id, 'request-ended-' || request_id FROM request_status_head WHERE status_id > 2
"""

DROP_CONSTRAINTS = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
                WHERE conrelid IN (SELECT oid FROM pg_class
                                    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                                      AND NOT relispartition)
                ORDER BY contype = 'f' DESC
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.of_table, one.conname);
    END LOOP;
END
$$
"""


@dataclass(frozen=True)
class World:
    """Databases with every story in every region, and what was reported while they were written."""

    settings: Settings
    names: dict[str, Any]
    meanwhile: list[Report]


@pytest.fixture(scope="module")
def world(fresh_settings: Settings, book: WorkflowBook, stack: Stack) -> World:
    # As tables_sql/postgres/roles.sql has it: `verify` only reads, and every test here proves it.
    for region in fresh_settings.regions.values():
        with administrator(fresh_settings, stack, region.server) as connection:
            name = fresh_settings.database.name
            statement = f"ALTER ROLE streams_readonly IN DATABASE {name} SET default_transaction_read_only = on"
            connection.execute(statement.encode())
    made = asyncio.run(_make(fresh_settings, book))
    for region in fresh_settings.regions:
        with owner(fresh_settings, region) as connection:
            connection.execute("DROP PUBLICATION streams_requests")  # it forbids changes of rows without a key
            connection.execute(DROP_CONSTRAINTS)
            assert connection.execute(TELL).rowcount > 0
            connection.execute("CREATE SCHEMA kept")
            for table in TABLES:
                connection.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
    return made


async def _make(settings: Settings, book: WorkflowBook) -> World:
    async with Databases(settings) as databases:
        names: dict[str, Any] = {}
        for story in STORIES:
            row = row_of(databases, "us-east", story.name)
            names |= {story.name: row.request_id, f"{story.name}_account": row.account_id}
            # Of the first trade and the first signal, where the story has them.
            names |= {f"{story.name}_trade": uuid5(row.request_id, "0")}
            names |= {f"{story.name}_{kind.value}": uuid5(row.request_id, kind) for kind in story.signals}
        making, meanwhile = asyncio.create_task(make_world(databases, book)), []
        while not making.done():
            # One story begins four days ago, so that its deadline has passed.
            meanwhile.append(await verify(settings, book, grace=1e6, samples=5))
        await making
    return World(settings, names, meanwhile)


@pytest.fixture
def broken(world: World) -> Iterator[World]:
    """The world, put back as it was when the test is over."""
    yield world
    for region in world.settings.regions:
        with owner(world.settings, region) as connection, connection.transaction():
            for table in TABLES:
                columns = _stored_columns(connection, table)
                connection.execute(f"TRUNCATE {table}")
                connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM kept.{table}")


def _stored_columns(connection: psycopg.Connection, table: str) -> str:
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'",
        (table,),
    )
    return ", ".join(name for (name,) in rows)


def owner(settings: Settings, region: str) -> closing[psycopg.Connection]:
    """The owner of the tables, past the pooler, in autocommit mode."""
    return closing(psycopg.connect(**connect_arguments(settings.database, settings.regions[region].server, "owner")))


def found(report: Report) -> dict[str, int]:
    return {finding.check.name: finding.violations for finding in report.findings if finding.violations}


async def test_a_clean_world_passes_every_check(world: World, book: WorkflowBook) -> None:
    report = await verify(world.settings, book, grace=60, samples=5)
    assert found(report) == {}
    assert report.clean
    regions = len(world.settings.regions)
    assert report.figures["requests"] == regions * len(STORIES)
    assert report.figures["open"] == regions
    assert report.figures["by_status"] == {
        "COMPLETE": 6 * regions,
        "FAILED": 2 * regions,
        "CANCELLED": regions,
        "IN_PROGRESS": regions,
    }
    assert report.figures["without_workflow"] == 0


def test_work_in_progress_is_no_violation(world: World) -> None:
    assert len(world.meanwhile) > 1
    assert [found(report) for report in world.meanwhile] == [{}] * len(world.meanwhile)


@pytest.mark.parametrize("plant", PLANTS + PLANTS_OF_PLACE, ids=lambda plant: f"{plant.check}: {plant.what}")
async def test_a_violation_is_found(plant: Plant, broken: World, book: WorkflowBook) -> None:
    with owner(broken.settings, plant.region) as connection:
        done = connection.execute(plant.sql, broken.names)
        assert done.rowcount > 0
    report = await verify(broken.settings, book, grace=60, samples=5)
    assert plant.check in found(report)
    finding = next(f for f in report.findings if f.check.name == plant.check)
    assert plant.region in {word for sample in finding.samples for word in sample.region.split(" and ")}
    assert report.totals[finding.check.harm] >= finding.violations
    assert not report.clean


async def test_a_reader_cannot_write_even_where_it_may(world: World) -> None:
    with owner(world.settings, "us-east") as connection:
        connection.execute("GRANT UPDATE ON trade_info TO streams_readonly")
    async with Databases(world.settings, "readonly") as databases, databases.connection("us-east") as reader:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await reader.execute("UPDATE trade_info SET status_id = 1")


def test_every_check_has_a_violation_that_it_finds() -> None:
    assert {plant.check for plant in PLANTS + PLANTS_OF_PLACE} == {check.name for check in CHECKS}


async def test_samples_are_few_and_violations_all_counted(broken: World, book: WorkflowBook) -> None:
    with owner(broken.settings, "us-east") as connection:
        connection.execute("UPDATE request_info SET request_status_id = 1")
    report = await verify(broken.settings, book, grace=60, samples=2)
    finding = next(f for f in report.findings if f.check.name == "request_status_is_head_status")
    assert (finding.violations, len(finding.samples)) == (len(STORIES), 2)


def run_command(monkeypatch: pytest.MonkeyPatch, settings: Settings, *words: str) -> tuple[int, str]:
    monkeypatch.setattr("streams_app.commands.verify.load_settings", lambda: settings)
    result = CliRunner().invoke(verify_command, words)
    return result.exit_code, result.stdout


def test_the_command_says_ok(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    status, text = run_command(monkeypatch, world.settings, "--json")
    report = json.loads(text)
    assert (status, report["verdict"]) == (0, "ok")
    assert report["totals"] == {"lost": 0, "duplicated": 0, "out_of_order": 0, "wrong": 0}
    assert {check["name"] for check in report["checks"]} == {check.name for check in CHECKS}


def test_the_command_says_what_is_wrong(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner(broken.settings, "us-east") as connection:
        connection.execute("DELETE FROM trade_info WHERE request_id = %(rebalance)s", broken.names)
    status, text = run_command(monkeypatch, broken.settings, "--json")
    report = json.loads(text)
    assert (status, report["verdict"]) == (1, "violated")
    assert report["totals"] == {"lost": 1, "duplicated": 0, "out_of_order": 0, "wrong": 1}


def test_the_command_cannot_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = world.settings.database.model_copy(update={"name": "no_such_database"})
    status, _ = run_command(monkeypatch, world.settings.model_copy(update={"database": nowhere}))
    assert status == 2
