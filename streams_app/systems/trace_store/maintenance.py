"""What keeps the store in order: old months are dropped, and people see what it takes and what is slow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.partitions import owner, remove
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.trace_store.months import TABLE, Month, expired, read_month

POSTGRES = Statements(Path(__file__).with_name("maintenance_postgres.sql"))

# One prune of a region at a time.
_LOCK = 7271905114
# Rows that are removed in one transaction.
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of an old month. `rows` is an estimate."""

    region: str
    month: str
    result: str
    rows: int
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is still there, and should not be."""
        return self.result == "refused"


def prune_region(settings: Settings, region: str, retention_days: int, *, dry: bool) -> list[Pruned]:
    """Drop the months that are over for longer than the retention, and the figures of their sessions.

    Those who read and write meanwhile do not wait. May be stopped anywhere, and done again. Raises StartError when
    another one works there, and what psycopg raises.
    """
    busy = StartError(f"region {region}: another `traces prune` works there: wait until it has ended")
    with owner(settings, region, _LOCK, busy) as connection:
        months = [read_month(row) for row in connection.execute(POSTGRES["partitions"]).fetchall()]
        old = expired(months, datetime.now(UTC), retention_days)
        done = [_prune(connection, region, month, dry=dry) for month in old]
        if not dry and old and not any(item.failed for item in done):
            given = {"region": region, "until": old[-1].end, "limit": _BATCH}
            while connection.execute(POSTGRES["forget_sessions"], given).rowcount > 0:
                pass
        return done


def _prune(connection: psycopg.Connection, region: str, month: Month, *, dry: bool) -> Pruned:
    if dry:
        return Pruned(region, month.table, "would go", month.rows)
    why = remove(connection, TABLE, month.table, attached=month.attached, detaching=month.detaching)
    return Pruned(region, month.table, "refused" if why else "dropped", month.rows, why)


@dataclass(frozen=True, slots=True)
class Condition:
    """What a region's store takes, as rows: tables (rows, bytes, bytes of indexes, dead rows, last vacuum and analyze),
    indexes (bytes, scans, rows read), slow statements (average ms, calls, rows, text; None without the extension)."""

    region: str
    tables: list[tuple[Any, ...]]
    indexes: list[tuple[Any, ...]]
    statements: list[tuple[Any, ...]] | None


async def condition_of(databases: Databases, region: str, limit: int) -> Condition:
    """Look at a region's store. Raises what psycopg raises."""
    async with databases.connection(region) as connection:
        tables = await (await connection.execute(POSTGRES["tables"])).fetchall()
        indexes = await (await connection.execute(POSTGRES["indexes"])).fetchall()
        [(known,)] = await (await connection.execute(POSTGRES["has_statements"])).fetchall()
        statements = None
        if known:
            statements = await (await connection.execute(POSTGRES["statements"], {"limit": limit})).fetchall()
    return Condition(region, tables, indexes, statements)
