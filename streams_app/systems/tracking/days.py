"""The days (UTC) of the two logs: which are there, what may be archived, and new ones made in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction

SQL = Statements(Path(__file__).with_name("archive.sql"))
POSTGRES = Statements(Path(__file__).with_name("archive_postgres.sql"))

LOGS: Final = ("event_production_log", "event_consumption_log")
# Each table and index of a new day is a lock until the commit, and a server has some thousands for all.
_AT_ONCE: Final = 30


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one log. `rows` is an estimate and `size` is in bytes, None where the server does not know; `open`
    is how many events are still on their way. A day that is not `attached` was half dropped."""

    log: str
    day: date
    rows: int | None = None
    size: int | None = None
    open: int = 0
    attached: bool = True
    detaching: bool = False

    @property
    def table(self) -> str:
        """The name of its partition."""
        return f"{self.log}_{self.day:%Y%m%d}"

    @property
    def is_whole(self) -> bool:
        """Whether the log has it, and nobody has begun to take it away."""
        return self.attached and not self.detaching


def bounds(day: date) -> tuple[datetime, datetime]:
    """When a day begins, and when it is over."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def oldest_kept(today: date, older_than: int) -> date:
    """The first day that is not older than `older_than` days."""
    return today - timedelta(days=older_than)


def state(day: Day, today: date, keep_days: int, archived: bool) -> str:
    """What a person should know of a day: whether it stays, and why."""
    if not day.is_whole:
        return "half dropped: run `tracking prune`"
    if archived:
        return "archived"
    if day.day > today:
        return "ahead"
    if day.day >= oldest_kept(today, keep_days):
        return "kept"
    return "kept: it has open events" if day.open else "may be archived"


def gaps(kept: Iterable[date], until: date) -> Iterator[tuple[datetime, datetime]]:
    """The times before `until` that are in none of the days `kept`, oldest first."""
    begin = datetime.min.replace(tzinfo=UTC)
    for day in sorted(set(kept)):
        if day >= until:
            break
        start, end = bounds(day)
        if begin < start:
            yield begin, start
        begin = end
    if begin < bounds(until)[0]:
        yield begin, bounds(until)[0]


async def ensure_days(databases: Databases, region: str, ahead: int) -> list[str]:
    """Make the partitions of the days up to `ahead` days from now; returns the names of those that were missing.

    Nobody who writes waits for it. Nothing is done on CockroachDB, which has no such partitions. Raises what psycopg
    raises.
    """
    if databases.settings.dialect != "postgres":
        return []
    made: list[str] = []
    for days in [*range(_AT_ONCE, ahead, _AT_ONCE), ahead]:

        async def add(connection: Connection, days: int = days) -> list[str]:
            cursor = await connection.execute(POSTGRES["add_days"], {"ahead": days})
            return [name for (name,) in await cursor.fetchall()]

        made += await in_transaction(databases, region, add)
    return made


async def days_of(databases: Databases, region: str) -> tuple[date, list[Day]]:
    """Today, by the server's clock, and every day of both logs, oldest first. Raises what psycopg raises."""
    async with databases.connection(region) as connection:
        [(today,)] = await (await connection.execute(SQL["today"])).fetchall()
        if databases.settings.dialect == "postgres":
            found = [read_partition(row) for row in await (await connection.execute(POSTGRES["partitions"])).fetchall()]
        else:
            found = [Day(log, day) for log in LOGS for day in await _days_with_rows(connection, region, log)]
        opened: dict[tuple[str, date], int] = {}
        for log in LOGS:
            cursor = await connection.execute(SQL[f"open_{log}"], {"region": region})
            opened |= {(log, day): count for day, count in await cursor.fetchall()}
    return today, with_open(found, opened)


def read_partition(row: tuple[Any, ...]) -> Day:
    """A day, from the row of its partition (`partitions`)."""
    name, attached, detaching, rows, size = row
    log, _, digits = name.rpartition("_")
    return Day(log, datetime.strptime(digits, "%Y%m%d").date(), rows, size, 0, attached, detaching)


def with_open(days: Iterable[Day], opened: dict[tuple[str, date], int]) -> list[Day]:
    """The days, each with the number of its events that are still on their way, oldest first."""
    found = [
        Day(d.log, d.day, d.rows, d.size, opened.get((d.log, d.day), 0), d.attached, d.detaching)  # frozen
        for d in days
    ]
    return sorted(found, key=lambda d: (d.day, d.log))


async def _days_with_rows(connection: Connection, region: str, log: str) -> list[date]:
    cursor = await connection.execute(SQL[f"days_{log}"], {"region": region})
    return [day for (day,) in await cursor.fetchall()]
