"""Regions that are not set up right: one clear line with the next step in it, no stack trace, nothing lost."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deploy.local import Stack
from deploy.local.scraped import total_of
from streams_app.databases import Databases
from streams_app.settings import Settings
from tests.fix_stack import Application, Workers, administrator, eventually
from tests.integration.data import complete, insert_requests

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

REGION = "us-west"


@pytest.fixture
def old_database(settings: Settings, stack: Stack) -> Iterator[str]:
    """A database beside the region's, whose tables are one migration behind."""
    server, name = settings.regions[REGION].server, f"old_{secrets.token_hex(4)}"
    with administrator(settings, stack, server) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER streams_owner".encode())
    with administrator(settings, stack, server, name) as connection:
        connection.execute("CREATE TABLE schema_migration (system text, name text, checksum text)")
        connection.execute("INSERT INTO schema_migration VALUES ('delivery', '001_fence', '')")
        connection.execute("GRANT SELECT ON schema_migration TO streams_app")
    try:
        yield name
    finally:
        with administrator(settings, stack, server) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def pooler_database(name: str) -> dict[str, str]:
    """The region's database is called `name` at its pooler."""
    return {"STREAMS_REGIONS": json.dumps({REGION: {"pooler_database": name}})}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"STREAMS_DATABASE__APP_PASSWORD": "wrong-one"}, "STREAMS_DATABASE__APP_PASSWORD"),
        (pooler_database("nowhere"), "create the database"),
        (pooler_database("OLD"), "faust -A streams_app migrate"),
        ({"STREAMS_ROUTING": "centralized", "STREAMS_CENTRAL_REGION": "us-north"}, "'us-north' is no region"),
        ({"STREAMS_ROUTING": "centralized", "STREAMS_CENTRAL_REGION": "us-east"}, "pooler_database of its own"),
    ],
    ids=["wrong password", "no such database", "old tables", "unknown region", "one database for all"],
)
def test_a_worker_that_cannot_work_says_why_and_ends(
    workers: Workers, old_database: str, environment: dict[str, str], says: str
) -> None:
    environment = {name: value.replace("OLD", old_database) for name, value in environment.items()}
    [worker] = workers.start(**environment)
    status = worker.wait(60)
    log = worker.log.read_text(encoding="utf-8")
    assert status not in (0, None), log
    assert says in log
    assert "Traceback" not in log
    assert "wrong-one" not in log


def test_a_command_says_it_too(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"STREAMS_DATABASE__READONLY_PASSWORD": "wrong-one", "STREAMS_DATABASE__POOL_TIMEOUT": "2"}
    for name, value in wrong.items():
        monkeypatch.setitem(application._environment, name, value)
    for command in (["requests", "list"], ["verify"]):
        _, said = application.start(*command).communicate(timeout=60)
        assert "set the right password" in said, said
        assert "Traceback" not in said
        assert "wrong-one" not in said


def alter_role(stack: Stack, change: str) -> None:
    """The application's role is changed, and what it has open is closed, so that the change counts at once."""
    with stack.databases[REGION].connect("postgres") as connection:
        connection.execute(f"ALTER ROLE streams_app {change}".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'streams_app'")


@contextmanager
def only_reading(stack: Stack) -> Iterator[None]:
    """The server refuses to write, as a replica does."""
    alter_role(stack, "SET default_transaction_read_only = on")
    try:
        yield
    finally:
        alter_role(stack, "RESET default_transaction_read_only")


@contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """Every event that would be written meets what a full disk says, and so does what relays write all the time."""
    server = stack.databases[REGION]
    with server.connect("streams") as connection:
        connection.execute(
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        for table in ("request_event_log", "event_relay"):
            connection.execute(f"CREATE TRIGGER no_space BEFORE INSERT ON {table} EXECUTE FUNCTION no_space()".encode())
    try:
        yield
    finally:
        with server.connect("streams") as connection:
            connection.execute("DROP FUNCTION no_space CASCADE")


@contextmanager
def no_connection_left(stack: Stack) -> Iterator[None]:
    """The server takes no connection of the application's any more."""
    alter_role(stack, "CONNECTION LIMIT 0")
    try:
        yield
    finally:
        alter_role(stack, "CONNECTION LIMIT -1")


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (only_reading, "the server only reads"),
        (full_disk, "its disk is full"),
        (no_connection_left, "the pooler, whose log says"),
    ],
)
async def test_a_region_in_trouble_keeps_its_requests_until_it_is_mended(
    stack: Stack,
    databases: Databases,
    workers: Workers,
    trouble: Callable[[Stack], object],
    says: str,
) -> None:
    west = await insert_requests(databases, REGION, 5)
    east = await insert_requests(databases, "us-east", 5)
    with trouble(stack):  # type: ignore[attr-defined]
        [worker] = workers.start()
        await eventually(lambda: complete(databases, east), 40)
        await eventually(lambda: said(worker, says), 20)
    await eventually(lambda: complete(databases, west), 40)
    assert "Traceback" not in worker.log.read_text(encoding="utf-8")
    assert total_of(worker.metrics(), "streams_dead_letters_total") == 0


async def said(worker: object, words: str) -> bool:
    """The worker's log says so"""
    return words in worker.log.read_text(encoding="utf-8")  # type: ignore[attr-defined]
