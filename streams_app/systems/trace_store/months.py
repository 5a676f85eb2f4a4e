"""The months (UTC) of the store: which are there, and new ones made in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.system_settings import TraceSettings

POSTGRES = Statements(Path(__file__).with_name("months_postgres.sql"))

TABLE = "event_logs"


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the store, by its first day. `rows` is an estimate, `size` is in bytes, with indexes. One that is not
    `attached` was half dropped."""

    first: date
    rows: int
    size: int
    attached: bool = True
    detaching: bool = False

    @property
    def table(self) -> str:
        """The name of its partition."""
        return f"{TABLE}_{self.first:%Y%m}"

    @property
    def end(self) -> datetime:
        """The moment when it is over."""
        following = (self.first + timedelta(days=32)).replace(day=1)
        return datetime(following.year, following.month, 1, tzinfo=UTC)


def read_month(row: tuple[Any, ...]) -> Month:
    """A month, from the row of its partition (`partitions`)."""
    name, attached, detaching, rows, size = row
    return Month(datetime.strptime(name[-6:], "%Y%m").date(), rows, size, attached, detaching)


def expired(months: list[Month], now: datetime, retention_days: int) -> list[Month]:
    """The months that are over for longer than the retention, and those that are half dropped, oldest first."""
    limit = now - timedelta(days=retention_days)
    return sorted((m for m in months if m.end <= limit or not m.attached or m.detaching), key=lambda m: m.first)


async def ensure_months(databases: Databases, region: str, settings: TraceSettings) -> list[str]:
    """Make the partitions that events may come for; returns the names of those that were missing.

    Nobody who reads or writes waits for it. Nothing is done on CockroachDB, which has no such partitions. Raises what
    psycopg raises.
    """
    if databases.settings.dialect != "postgres":
        return []

    async def add(connection: Connection) -> list[str]:
        arguments = {"days": settings.retention_days, "ahead": settings.months_ahead}
        cursor = await connection.execute(POSTGRES["add_months"], arguments)
        return [name for (name,) in await cursor.fetchall()]

    return await in_transaction(databases, region, add)
