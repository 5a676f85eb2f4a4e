"""Lets events that were given up on their way out be tried again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction

SQL = Statements(Path(__file__).with_name("retries.sql"))
PAGE: Final = 1000
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the events that were given up: None for any. Times are those of their creation, `until` exclusive."""

    until: datetime
    since: datetime = _BEGINNING
    event_ids: tuple[str, ...] | None = None
    topic: str | None = None
    service: str | None = None

    def arguments(self, region: str) -> dict[str, Any]:
        """As the statements take them."""
        return {
            "region": region,
            "since": self.since,
            "until": self.until,
            "event_ids": None if self.event_ids is None else list(self.event_ids),
            "topic": self.topic,
            "service": self.service,
        }


async def count_failed(databases: Databases, chosen: Chosen) -> dict[str, int]:
    """How many events were given up, by region. Raises what psycopg raises."""

    async def count(region: str) -> int:
        async with databases.connection(region) as connection:
            row = await (await connection.execute(SQL["count_failed"], chosen.arguments(region))).fetchone()
            return int(row[0]) if row else 0

    regions = databases.regions.names
    return dict(zip(regions, await asyncio.gather(*(count(region) for region in regions)), strict=True))


async def retry_failed(databases: Databases, chosen: Chosen, done: Callable[[int], None]) -> dict[str, int]:
    """Let the events that were given up be PENDING again; returns how many, by region.

    `done` hears of each page. Raises what psycopg raises; safe to repeat after any failure.
    """
    totals = {}
    for region in databases.regions.names:
        totals[region] = 0
        async for page in _pages(databases, region, chosen):
            count = await _retry(databases, region, page)
            totals[region] += count
            done(count)
    return totals


async def _pages(databases: Databases, region: str, chosen: Chosen) -> AsyncIterator[list[Key]]:
    # Each event once: one that fails again meanwhile is behind the last one that was read.
    after: Key = ("", _BEGINNING)
    while True:
        where = {"after_id": after[0], "after_time": after[1], "limit": PAGE}
        async with databases.connection(region) as connection:
            cursor = await connection.execute(SQL["failed_page"], chosen.arguments(region) | where)
            page = [(str(row[0]), row[1]) for row in await cursor.fetchall()]
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1]


async def _retry(databases: Databases, region: str, page: Sequence[Key]) -> int:
    arguments = {
        "region": region,
        "event_ids": [event_id for event_id, _ in page],
        "created": [created_at for _, created_at in page],
        "retry_id": secrets.token_hex(8),
    }

    async def work(connection: Connection) -> int:
        return len(await (await connection.execute(SQL["retry"], arguments)).fetchall())

    async def read_back() -> int | None:
        async with databases.connection(region) as connection:
            return len(await (await connection.execute(SQL["retried"], arguments)).fetchall()) or None

    return await in_transaction(databases, region, work, read_back)
