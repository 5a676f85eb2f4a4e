"""Taking partitions away from a table that others read and write meanwhile. PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from streams_app.databases.connecting import connect_arguments
from streams_app.databases.statements import Statements
from streams_app.settings import Settings

POSTGRES = Statements(Path(__file__).with_name("partitions_postgres.sql"))

#: Seconds that a step waits for somebody else's lock; writers queue up behind whoever waits.
LOCK_TIMEOUT = 5


@contextmanager
def owner(settings: Settings, region: str, lock: int, busy: Exception) -> Iterator[psycopg.Connection]:
    """The owner's connection, in UTC, to the region's server itself: no pooler lets the owner in.

    On PostgreSQL it holds the advisory lock of that number. Raises `busy` when another one has it, and what psycopg
    raises.
    """
    server = settings.regions[region].server
    with psycopg.connect(**connect_arguments(settings.database, server, "owner")) as connection:
        connection.execute(b"SET timezone = 'UTC'")
        if settings.database.dialect == "postgres":
            connection.execute(b"SET lock_timeout = '%ds'" % LOCK_TIMEOUT)
            if connection.execute(POSTGRES["lock"], {"lock": lock}).fetchall() != [(True,)]:
                raise busy
        yield connection


def remove(connection: psycopg.Connection, table: str, partition: str, *, attached: bool, detaching: bool) -> str:
    """Take a partition out of its table, where it still is, and drop it; returns why it stays, or nothing.

    `detaching`: somebody had begun to. May be done again after a failure.
    """
    try:
        if attached or detaching:
            detach(connection, table, partition, detaching=detaching)
        drop(connection, partition)
    except psycopg.errors.LockNotAvailable:
        return f"a transaction held it for more than {LOCK_TIMEOUT} s: run the command again"
    return ""


def detach(connection: psycopg.Connection, table: str, partition: str, *, detaching: bool) -> None:
    """Take a partition out of its table; `detaching`: somebody had begun to. It waits for whoever uses the table now,
    and nobody waits for it.

    Raises psycopg.errors.LockNotAvailable after LOCK_TIMEOUT.
    """
    how = "FINALIZE" if detaching else "CONCURRENTLY"
    connection.execute(f"ALTER TABLE {table} DETACH PARTITION {partition} {how}".encode())


def drop(connection: psycopg.Connection, partition: str) -> None:
    """Drop the table of a partition that was taken out."""
    connection.execute(f"DROP TABLE {partition}".encode())
