"""Migrations: each once, whoever else migrates at the same time; with the lock of either dialect."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.databases.dialect import SQL, CockroachDB, Dialect, Postgres
from streams_app.databases.migrations import Migration, check_schema, migrate
from streams_app.errors import StartError
from streams_app.settings import Settings
from tests.fix_stack import administrator

pytestmark = pytest.mark.stack

REGION = "us-east"
DIALECTS = [Postgres(), CockroachDB()]
Connect = Callable[[], psycopg.Connection]


def migration(name: str, sql: str) -> Migration:
    return Migration("system", name, sql.encode(), hashlib.sha256(sql.encode()).hexdigest())


# Slow enough that the others come meanwhile; a second time it would fail.
FILES = [
    migration("001_first", "SELECT pg_sleep(0.3); CREATE TABLE first (id int4)"),
    migration("002_second", "CREATE TABLE second (id int4)"),
]


@pytest.fixture
def connect(settings: Settings, stack: Stack) -> Iterator[Connect]:
    """Connects to an empty database as its owner."""
    server, name = settings.regions[REGION].server, f"empty_{secrets.token_hex(4)}"
    with administrator(settings, stack, server) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER streams_owner".encode())
    try:
        yield lambda: psycopg.connect(**connect_arguments(settings.database, server, "owner", name))
    finally:
        with administrator(settings, stack, server) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.folder)
def test_five_at_once_apply_each_file_once(connect: Connect, dialect: Dialect) -> None:
    def run(_: int) -> list[str]:
        with connect() as connection:
            return [m.name for m in migrate(connection, FILES, dialect)]

    with ThreadPoolExecutor(5) as pool:
        applied = list(pool.map(run, range(5)))
    assert sorted(applied) == [[], [], [], [], ["001_first", "002_second"]]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.folder)
def test_a_file_that_fails_leaves_nothing_and_the_lock_free(connect: Connect, dialect: Dialect) -> None:
    wrong = migration("002_second", "CREATE TABLE second (id int4); SELECT 1/0")
    with connect() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection, [FILES[0], wrong], dialect)
        assert [m.name for m in migrate(connection, FILES, dialect)] == ["002_second"]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(connect: Connect) -> None:
    with connect() as connection:
        migrate(connection, FILES, Postgres())
        changed = migration("002_second", "CREATE TABLE second (id int8)")
        with pytest.raises(StartError, match=r"002_second\.sql was changed"):
            migrate(connection, [FILES[0], changed], Postgres())


def test_the_lease_of_a_migration_that_was_killed_runs_out(connect: Connect) -> None:
    with connect() as connection:
        connection.execute(SQL["create_lease"])
        connection.execute(SQL["take_lease"], {"holder": "one that was killed", "seconds": 1})
        with pytest.raises(StartError, match="another migration runs"):
            migrate(connection, FILES, CockroachDB(wait=0, lease=60))
        time.sleep(1.1)
        assert len(migrate(connection, FILES, CockroachDB(wait=0, lease=1))) == 2


async def test_tables_that_are_too_old_are_told_apart(fresh_settings: Settings) -> None:
    async with Databases(fresh_settings) as databases:
        with pytest.raises(StartError, match="system/001_first was not applied: run `faust -A streams_app migrate`"):
            await check_schema(databases, FILES, REGION)
