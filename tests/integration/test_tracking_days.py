"""The days that rows are written to are made ahead, once each, in UTC, and nobody who writes waits for it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import timedelta

import psycopg
import pytest

from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.tracking.days import LOGS, Day, bounds, days_of, ensure_days
from tests.integration.tracking_days import REGION, TODAY, server

pytestmark = pytest.mark.stack

INSERT = (
    b"INSERT INTO event_production_log (region, event_id, service_name, topic, event_type, payload, shard, created_at)"
    b" VALUES ('us-east', %s, 's', 't', 'T', '{}', 0, now())"
)


def tables(first: int, last: int) -> set[str]:
    """The names of the days from `first` to `last` days from now."""
    return {Day(log, TODAY + timedelta(days=n)).table for log in LOGS for n in range(first, last + 1)}


async def test_days_are_made_once(fresh_databases: Databases) -> None:
    today, days = await days_of(fresh_databases, REGION)
    assert today == TODAY
    # What the schema makes.
    assert {day.table for day in days} == tables(-1, 14)
    made = await asyncio.gather(*(ensure_days(fresh_databases, REGION, 40) for _ in range(4)))
    assert Counter(name for names in made for name in names) == Counter(tables(15, 40))
    assert await ensure_days(fresh_databases, REGION, 40) == []
    assert await ensure_days(fresh_databases, REGION, 0) == []
    _, days = await days_of(fresh_databases, REGION)
    assert {day.table for day in days} == tables(-1, 40)
    assert all(day.is_whole and day.open == 0 and day.size is not None for day in days)


async def test_nothing_is_made_where_there_are_no_partitions(fresh_settings: Settings) -> None:
    other = fresh_settings.model_copy(
        update={"database": fresh_settings.database.model_copy(update={"dialect": "cockroachdb"})}
    )
    async with Databases(other) as databases:
        assert await ensure_days(databases, REGION, 400) == []


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_days_are_those_of_utc(fresh_settings: Settings, zone: str) -> None:
    with server(fresh_settings, "app") as connection, connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL timezone = '{zone}'".encode())
        made = {name for (name,) in connection.execute(b"SELECT event_log_add_days(60)").fetchall()}
        connection.execute(b"SET LOCAL timezone = 'UTC'")
        expected = tables(41, 60) if len(made) == 40 else tables(15, 60)
        assert made == expected
        found = dict(
            connection.execute(
                b"SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = ANY(%s)", (list(made),)
            ).fetchall()
        )
    for name in made:
        day = TODAY.fromisoformat(re.sub(r".*_(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", name))
        start, end = (f"{moment:%Y-%m-%d} 00:00:00+00" for moment in bounds(day))
        assert found[name] == f"FOR VALUES FROM ('{start}') TO ('{end}')"


def test_writers_and_the_making_of_days_do_not_wait_for_each_other(fresh_settings: Settings) -> None:
    address, name = fresh_settings.pooler_of(REGION, "app")
    arguments = connect_arguments(fresh_settings.database, address, "app", name)
    with (
        psycopg.connect(**arguments) as one,
        psycopg.connect(**arguments) as other,
        one.transaction(force_rollback=True),
        other.transaction(force_rollback=True),
    ):
        for connection in (one, other):
            connection.execute(b"SET LOCAL lock_timeout = '1s'")
        one.execute(INSERT, ("before",))
        assert other.execute(b"SELECT count(*) FROM event_log_add_days(80)").fetchall()[0][0] >= 80
        # The days are made, and not yet committed.
        one.execute(INSERT, ("meanwhile",))
        assert one.execute(b"SELECT count(*) FROM event_production_log").fetchall() == [(2,)]
