"""The days (UTC) of the outbox: new ones made in time, old ones dropped when all of their events are on the topic."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.partitions import owner, remove
from streams_app.databases.transactions import in_transaction
from streams_app.errors import StartError
from streams_app.settings import Settings

SQL = Statements(Path(__file__).with_name("outbox.sql"))
POSTGRES = Statements(Path(__file__).with_name("outbox_postgres.sql"))

TABLE: Final = "app.outbox"
# One prune of a region at a time.
_LOCK = 7271905116


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the outbox. `rows` is an estimate. One that is not `attached` was half dropped."""

    day: date
    rows: int
    attached: bool = True
    detaching: bool = False

    @property
    def table(self) -> str:
        """The name of its partition."""
        return f"{TABLE}_{self.day:%Y%m%d}"

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """When it begins, and when it is over."""
        start = datetime.combine(self.day, time(), UTC)
        return start, start + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of an old day. `rows` is an estimate."""

    region: str
    day: date
    result: str
    rows: int
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is still there, and should not be."""
        return self.result == "refused"


async def ensure_days(databases: Databases, region: str, ahead: int) -> list[str]:
    """Make the partitions of the days up to `ahead` days from now; returns the names of those that were missing.

    Nobody who writes waits for it. Nothing is done on CockroachDB, which has no such partitions. Raises what psycopg
    raises.
    """
    if databases.settings.dialect != "postgres":
        return []

    async def add(connection: Connection) -> list[str]:
        rows = await (await connection.execute(POSTGRES["add_days"], {"ahead": ahead})).fetchall()
        return [name for (name,) in rows]

    return await in_transaction(databases, region, add)


def expired(days: Collection[Day], today: date, keep_days: int) -> list[Day]:
    """The days that are older than `keep_days`, and those that are half dropped, oldest first."""
    first_kept = today - timedelta(days=keep_days)
    return sorted((d for d in days if d.day < first_kept or not d.attached or d.detaching), key=lambda d: d.day)


def prune_region(
    settings: Settings, region: str, keep_days: int, published: Collection[str], kept_since: datetime, *, dry: bool
) -> list[Pruned]:
    """Drop the days that are older than `keep_days`, but none with an event that should be on the topic and is not.

    `published` are the ids of the events on the topic, which keeps those since `kept_since`. Those who write meanwhile
    do not wait. May be stopped anywhere, and done again. Raises StartError when another one works there, and what
    psycopg raises.
    """
    busy = StartError(f"region {region}: another `trading prune` works there: wait until it has ended")
    with owner(settings, region, _LOCK, busy) as connection:
        days = [read_day(row) for row in connection.execute(POSTGRES["partitions"]).fetchall()]
        old = expired(days, datetime.now(UTC).date(), keep_days)
        return [_prune(connection, region, day, published, kept_since, dry=dry) for day in old]


def _prune(
    connection: psycopg.Connection,
    region: str,
    day: Day,
    published: Collection[str],
    kept_since: datetime,
    *,
    dry: bool,
) -> Pruned:
    if day.attached and not day.detaching:
        since, until = day.bounds
        where = {"region": region, "since": max(since, kept_since), "until": until}
        events = connection.execute(SQL["events"], where).fetchall()
        missing = sum(event_id not in published for (event_id,) in events)
        if missing:
            why = f"{missing} events are not on the topic: see that the connector runs, then run the command again"
            return Pruned(region, day.day, "refused", day.rows, why)
    if dry:
        return Pruned(region, day.day, "would go", day.rows)
    why = remove(connection, TABLE, day.table, attached=day.attached, detaching=day.detaching)
    return Pruned(region, day.day, "refused" if why else "dropped", day.rows, why)


def read_day(row: tuple[Any, ...]) -> Day:
    """A day, from the row of its partition (`partitions`)."""
    name, attached, detaching, rows = row
    return Day(datetime.strptime(name[-8:], "%Y%m%d").date(), rows, attached, detaching)
