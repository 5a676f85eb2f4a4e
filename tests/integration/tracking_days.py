"""Old days of the logs, filled as if they had been written then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Role, Settings
from streams_app.systems.tracking.days import LOGS, Day, bounds, read_partition, with_open
from streams_app.systems.tracking.days import POSTGRES as CATALOG

REGION = "us-east"
TODAY = datetime.now(UTC).date()
# What JSON, gzip or a line could trip over: quotes, backslashes, breaks, numbers beyond a float, other alphabets.
PAYLOAD = (
    r"""{"text": "a\"b\\c\nd\u2028é漢😀", "big": 12345678901234567890123, "exact": 0.10000000000000000001, "n": null}"""
)

PRODUCED = """
INSERT INTO event_production_log (region, event_id, service_name, topic, event_key, event_type, payload, status,
    error_message, correlation_id, partition_number, "offset", published_at, created_at, shard)
SELECT %(region)s, %(day)s || '-' || i, 'service', 'topic', 'key-' || i %% 7, 'TYPE', %(payload)s::jsonb, %(status)s,
       'a line' || chr(10) || 'and a tab' || chr(9), 'c-' || i, 1, i, now(),
       %(start)s::timestamptz + i * interval '1 second 7 microseconds', i %% 4
  FROM generate_series(1, %(count)s) i
"""
CONSUMED = """
INSERT INTO event_consumption_log (region, event_id, service_name, topic, partition_number, "offset", consumer_group,
    event_type, event_key, payload, status, processing_time_ms, received_at, processed_at, created_at)
SELECT %(region)s, %(day)s || '-' || i, 'service', 'topic', 1, i, 'group', 'TYPE', 'key', %(payload)s::jsonb,
       'PROCESSED', 5, now(), now(), %(start)s::timestamptz + i * interval '1 second 7 microseconds'
  FROM generate_series(1, %(count)s) i
"""
KEYS = (
    "INSERT INTO event_production_key (region, event_id, created_at, digest)"
    " SELECT region, event_id, created_at, 'd' FROM event_production_log"
    " WHERE created_at >= %(start)s AND created_at < %(end)s ON CONFLICT DO NOTHING",
    "INSERT INTO event_consumption_key (region, consumer_group, event_id, created_at, digest, processed_at)"
    " SELECT region, consumer_group, event_id, created_at, 'd', now() FROM event_consumption_log"
    " WHERE created_at >= %(start)s AND created_at < %(end)s ON CONFLICT DO NOTHING",
)


def server(settings: Settings, role: Role = "owner") -> psycopg.Connection:
    """A connection to the region's server itself."""
    return psycopg.connect(**connect_arguments(settings.database, settings.regions[REGION].server, role))


def ago(days: int) -> date:
    """The day so many days ago."""
    return TODAY - timedelta(days=days)


def make_day(connection: psycopg.Connection, day: date) -> None:
    """The partitions of a day that is over."""
    start, end = bounds(day)
    for log in LOGS:
        table = Day(log, day).table
        connection.execute(f"CREATE TABLE {table} PARTITION OF {log} FOR VALUES FROM ('{start}') TO ('{end}')".encode())


def fill(connection: psycopg.Connection, day: date, count: int = 25, opened: int = 0) -> None:
    """The partitions of a day, with `count` rows that are done in each log, `opened` that are not, and their keys."""
    make_day(connection, day)
    start, end = bounds(day)
    shared = {"region": REGION, "payload": PAYLOAD, "start": start, "end": end, "count": count}
    connection.execute(PRODUCED.encode(), {**shared, "day": str(day), "status": "PUBLISHED"})
    connection.execute(PRODUCED.encode(), {**shared, "day": f"{day}-open", "status": "PENDING", "count": opened})
    connection.execute(CONSUMED.encode(), {**shared, "day": str(day)})
    for statement in KEYS:
        connection.execute(statement.encode(), shared)


def rows_of(connection: psycopg.Connection, log: str, day: date) -> list[dict[str, Any]]:
    """The rows of a day, in the order of their ids, as the database gives them."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            f"SELECT * FROM {log} WHERE created_at >= %s AND created_at < %s ORDER BY id".encode(), bounds(day)
        )
        return cursor.fetchall()


def keys_of(connection: psycopg.Connection, day: date) -> list[int]:
    """How many keys of a day there are, of each log."""
    tables = ("event_production_key", "event_consumption_key")
    statement = "SELECT count(*) FROM {} WHERE created_at >= %s AND created_at < %s"
    return [connection.execute(statement.format(t).encode(), bounds(day)).fetchall()[0][0] for t in tables]


def find_day(connection: psycopg.Connection, log: str, day: date) -> Day | None:
    """A day as the server has it, None when its partition is gone."""
    found = with_open([read_partition(row) for row in connection.execute(CATALOG["partitions"]).fetchall()], {})
    return next((d for d in found if (d.log, d.day) == (log, day)), None)
