"""What each database role may do: the application neither changes the schema nor rewrites history."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors as pg

from deploy.local import Stack
from streams_app.allocation_settings import DOMAINS
from streams_app.databases import Databases, locality_of
from streams_app.databases.connecting import connect_arguments
from streams_app.databases.domains import place_of
from streams_app.settings import Role, Settings
from tests.fix_domains import domain_administrator
from tests.fix_stack import administrator
from tests.unit.dialects import tables
from tests.unit.test_domain_dialects import APPEND_ONLY as APPEND_ONLY_OF

pytestmark = pytest.mark.stack

APPEND_ONLY = ("request_event_log", "request_signal", "request_account_link")
EVENTS = ("event_production_log", "event_consumption_log", "event_production_key", "event_consumption_key")
TODAY = f"{datetime.now(UTC):%Y%m%d}"
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
        *(f"DELETE FROM {table}" for table in EVENTS),
        *(f"TRUNCATE {table}" for table in EVENTS),
        *(f"DROP TABLE {table}" for table in EVENTS),
        f"DROP TABLE event_production_log_{TODAY}",
        f"ALTER TABLE event_production_log DETACH PARTITION event_production_log_{TODAY}",
        f"ALTER TABLE event_consumption_log DETACH PARTITION event_consumption_log_{TODAY} FINALIZE",
        f"DELETE FROM event_production_log_{TODAY}",
        f"INSERT INTO event_production_log_{TODAY} DEFAULT VALUES",
        "CREATE TABLE event_production_log_19990101 PARTITION OF event_production_log"
        " FOR VALUES FROM ('1999-01-01') TO ('1999-01-02')",
        "CREATE OR REPLACE FUNCTION event_log_add_days(ahead int4) RETURNS SETOF text LANGUAGE sql AS 'SELECT 1::text'",
        "DROP PUBLICATION streams_events",
        "DELETE FROM event_logs",
        "UPDATE event_logs SET status = 'failed'",
        "TRUNCATE event_logs",
        f"DROP TABLE event_logs_{TODAY[:6]}",
        f"ALTER TABLE event_logs DETACH PARTITION event_logs_{TODAY[:6]}",
        f"DELETE FROM event_logs_{TODAY[:6]}",
        f"INSERT INTO event_logs_{TODAY[:6]} DEFAULT VALUES",
        "DELETE FROM event_session_metrics",
        "DELETE FROM event_relay_shard",
        "DELETE FROM app.orders",
        "UPDATE app.outbox SET payload = '{}'",
        "DELETE FROM app.outbox",
        "TRUNCATE app.outbox",
        f"DROP TABLE app.outbox_{TODAY}",
        f"DELETE FROM app.outbox_{TODAY}",
        f"ALTER TABLE app.outbox DETACH PARTITION app.outbox_{TODAY}",
        "CREATE TABLE app.mine (id int)",
        "DROP PUBLICATION streams_orders",
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
        "SELECT event_log_add_days(1)",
        "UPDATE event_production_log SET status = 'PENDING'",
        "DELETE FROM event_relay",
        "UPDATE app.orders SET status = 'NEW'",
        "SELECT app.outbox_add_days(1)",
    ],
)
async def test_a_reader_may_only_read(fresh_settings: Settings, statement: str) -> None:
    with pytest.raises(pg.InsufficientPrivilege):
        await attempt(fresh_settings, "readonly", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT event_log_add_days(1)",
        "UPDATE event_production_log SET updated_at = now()",
        "UPDATE event_consumption_key SET processed_at = now()",
        "DELETE FROM event_relay",
        "SELECT app.outbox_add_days(1)",
        "UPDATE app.orders SET updated_at = now()",
    ],
)
async def test_the_application_may(fresh_settings: Settings, statement: str) -> None:
    with contextlib.suppress(psycopg.Rollback):
        await attempt(fresh_settings, "app", statement)


@pytest.mark.parametrize("role", ["app", "readonly"])
async def test_nobody_reads_the_tables_of_others(fresh_settings: Settings, stack: Any, role: Role) -> None:
    name, server = fresh_settings.database.name, fresh_settings.regions["us-east"].server
    with administrator(fresh_settings, stack, server, name) as connection:
        connection.execute(b"CREATE SCHEMA IF NOT EXISTS others")
        connection.execute(b"CREATE TABLE IF NOT EXISTS others.secret (id int4)")
    for statement in (
        "SELECT * FROM others.secret",
        "SELECT passwd FROM pg_shadow",
        "SELECT pg_read_file('PG_VERSION')",
    ):
        with pytest.raises(pg.InsufficientPrivilege):
            await attempt(fresh_settings, role, statement)


async def test_a_temporary_table_does_not_stand_for_a_day(fresh_settings: Settings) -> None:
    async with Databases(fresh_settings, "app") as databases, databases.transaction("us-east") as connection:
        [(name,)] = await (
            await connection.execute(b"SELECT 'event_production_log_' || to_char(now() + '30 days', 'YYYYMMDD')")
        ).fetchall()
        await connection.execute(f"CREATE TEMPORARY TABLE {name} (id int4)".encode())
        made = await (await connection.execute(b"SELECT event_log_add_days(30)")).fetchall()
        assert (name,) in made
        raise psycopg.Rollback


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


def attempt_in_domain(settings: Settings, domain: str, role: Role, statement: str) -> None:
    """Run one statement in a domain's database: `app` is the domain's own role."""
    place = place_of(settings, domain, role)
    with psycopg.connect(**connect_arguments(place.login, place.address, role, place.database)) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("domain", DOMAINS)
def test_nobody_but_its_own_role_comes_into_a_domain(domain_settings: Settings, stack: Stack, domain: str) -> None:
    with domain_administrator(domain_settings, stack, domain) as connection:
        cursor = connection.execute(
            b"SELECT rolname, has_database_privilege(oid, current_database(), 'CONNECT') FROM pg_roles"
            b" WHERE rolname LIKE 'streams_%'"
        )
        may_connect = dict(cursor.fetchall())
    allowed = {"streams_owner", f"streams_{domain}", "streams_readonly", "streams_replication"}
    assert {role for role, may in may_connect.items() if may} == allowed


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_role_of_a_domain_may_not(domain_settings: Settings, domain: str) -> None:
    made = tables("postgres", f"allocations/{domain}/[0-9]*.sql")
    statements = ["CREATE TABLE mine (id int)", f"CREATE TABLE {domain}.mine (id int)"]
    for table in APPEND_ONLY_OF[domain]:
        statements += [
            f"ALTER TABLE {domain}.{table} ADD COLUMN more text",
            f"DROP TABLE {domain}.{table}",
            f"DELETE FROM {domain}.{table}",
            f"TRUNCATE {domain}.{table}",
            f"UPDATE {domain}.{table} SET {next(iter(made[table].columns))} = DEFAULT",
        ]
    for statement in statements:
        with pytest.raises(pg.InsufficientPrivilege):
            attempt_in_domain(domain_settings, domain, "app", statement)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_reader_of_a_domain_may_only_read(domain_settings: Settings, domain: str) -> None:
    table = f"{domain}.{min(APPEND_ONLY_OF[domain])}"
    attempt_in_domain(domain_settings, domain, "readonly", f"SELECT * FROM {table}")
    for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", "CREATE TABLE t ()"):
        with pytest.raises((pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction)):
            attempt_in_domain(domain_settings, domain, "readonly", statement)
