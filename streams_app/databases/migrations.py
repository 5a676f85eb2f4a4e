"""Schema changes: plain SQL files, applied once each, in order, and refused when an applied file has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from streams_app.errors import StartError

# Any constant will do, as long as every migration takes the same one.
_LOCK = 7_271_905_110


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. `checksum` is the SHA-256 of its bytes."""

    system: str
    name: str
    sql: bytes
    checksum: str


def find_migrations(root: Path, systems: list[str]) -> Iterator[Migration]:
    """The migrations under root/<system>/NNN_name.sql, system by system, in order of their numbers."""
    for system in systems:
        for path in sorted((root / system).glob("[0-9][0-9][0-9]_*.sql")):
            sql = path.read_bytes()
            yield Migration(system, path.stem, sql, hashlib.sha256(sql).hexdigest())


def migrate(connection: psycopg.Connection, migrations: list[Migration]) -> list[Migration]:
    """Apply what is missing, each file in a transaction of its own; returns what was applied.

    The connection must go to the database itself, in autocommit mode: the session lock that keeps two migrations apart
    does not hold through a transaction pooler. Raises StartError when an applied file was changed afterwards.
    """
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (system text, name text, checksum text NOT NULL, "
            "applied_ts timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (system, name))"
        )
        rows = connection.execute("SELECT system, name, checksum FROM schema_migration").fetchall()
        done = {(system, name): checksum for system, name, checksum in rows}
        applied = []
        for migration in migrations:
            known = done.get((migration.system, migration.name))
            if known is None:
                _apply(connection, migration)
                applied.append(migration)
            elif known != migration.checksum:
                raise StartError(
                    f"{migration.system}/{migration.name}.sql was changed after it was applied: "
                    "put the file back as it was, and write the change as a new file with the next number"
                )
        return applied
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.sql, prepare=False)
        connection.execute(
            "INSERT INTO schema_migration (system, name, checksum) VALUES (%s, %s, %s)",
            (migration.system, migration.name, migration.checksum),
        )
