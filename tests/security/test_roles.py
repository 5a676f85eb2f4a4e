"""What each database role may do: the application neither changes the schema nor rewrites history."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors as pg

from streams_app.databases import Databases, locality_of
from streams_app.settings import Role, Settings

pytestmark = pytest.mark.stack

APPEND_ONLY = ("request_event_log", "request_signal", "request_account_link")
STATIC = ("request_type", "request_action_type", "request_state", "request_status", "request_action_state_link")


async def attempt(settings: Settings, role: Role, statement: str) -> None:
    """Run one statement as `role` through a region's PgBouncer."""
    async with Databases(settings, role) as databases, databases.transaction("us-east") as connection:
        await connection.execute(statement.encode())
        raise psycopg.Rollback


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE request_info",
        "ALTER TABLE request_event_log ADD COLUMN more text",
        "TRUNCATE request_event_log",
        *(f"DELETE FROM {table}" for table in (*APPEND_ONLY, "request_info", "request_status_head", "trade_info")),
        *(f"UPDATE {table} SET request_id = gen_random_uuid()" for table in APPEND_ONLY),
        *(f"DELETE FROM {table}" for table in STATIC),
        "INSERT INTO request_type VALUES (99, 'MINE', 'mine')",
    ],
)
async def test_the_application_may_not(fresh_settings: Settings, statement: str) -> None:
    with pytest.raises(pg.InsufficientPrivilege):
        await attempt(fresh_settings, "app", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE request_info SET request_status_id = 3",
        "INSERT INTO request_status VALUES (9, 'X', 'x')",
        "CREATE TABLE t ()",
    ],
)
async def test_a_reader_may_only_read(fresh_settings: Settings, statement: str) -> None:
    with pytest.raises(pg.InsufficientPrivilege):
        await attempt(fresh_settings, "readonly", statement)


async def test_the_owner_does_not_pass_the_pooler(fresh_settings: Settings) -> None:
    with pytest.raises((psycopg.OperationalError, TimeoutError)):
        await attempt(
            fresh_settings.model_copy(
                update={"database": fresh_settings.database.model_copy(update={"pool_timeout": 2})}
            ),
            "owner",
            "SELECT 1",
        )


async def test_locality_in_the_database_is_locality_in_the_application(fresh_databases: Databases) -> None:
    accounts = [UUID(int=0), UUID(int=2**128 - 1), *(uuid4() for _ in range(500))]
    async with fresh_databases.connection("us-east") as connection:
        cursor = await connection.execute(b"SELECT a, account_locality(a) FROM unnest(%s::uuid[]) AS a", (accounts,))
        rows: list[Any] = await cursor.fetchall()
    assert [(a, locality_of(a)) for a in accounts] == rows
