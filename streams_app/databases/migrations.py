"""Schema changes: plain SQL files, applied once each, in order, and refused when an applied file has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from streams_app.databases.dialect import Dialect
from streams_app.databases.pools import Databases
from streams_app.databases.statements import Statements
from streams_app.errors import StartError

SQL = Statements(Path(__file__).with_name("migrations.sql"))


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


def migrate(connection: psycopg.Connection, migrations: list[Migration], dialect: Dialect) -> list[Migration]:
    """Apply what is missing, each file in a transaction of its own; returns what was applied.

    The connection must go to the database itself, in autocommit mode: the session lock that keeps two migrations apart
    does not hold through a transaction pooler. Raises StartError when an applied file was changed afterwards.
    """
    with dialect.migrating(connection):
        connection.execute(SQL["create"])
        rows = connection.execute(SQL["read"]).fetchall()
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


async def check_schema(databases: Databases, migrations: list[Migration], region: str) -> None:
    """Whether every migration was applied in `region`. Raises StartError, with the first that was not."""
    async with databases.connection(region) as connection:
        rows = await (await connection.execute(SQL["read"])).fetchall()
    done = {(system, name) for system, name, _ in rows}
    missing = [f"{m.system}/{m.name}" for m in migrations if (m.system, m.name) not in done]
    if missing:
        raise StartError(
            f"region {region}: its tables are older than this version, {missing[0]} was not applied: "
            "run `faust -A streams_app migrate`"
        )


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.sql, prepare=False)
        connection.execute(SQL["add"], (migration.system, migration.name, migration.checksum))
