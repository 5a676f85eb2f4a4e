"""Follows a correlation id from exchange to exchange, in both directions, through all regions."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from pathlib import Path
from typing import Final
from uuid import UUID

from streams_app.databases import Databases, Statements
from streams_app.systems.trace_store import rules
from streams_app.systems.trace_store.model import CorrelationTrace, StoredEvent
from streams_app.systems.trace_store.reading import MOST_BYTES, check_limit, read_page

SQL = Statements(Path(__file__).with_name("chains.sql"))

#: Most hops of a chain, in each direction.
MOST_HOPS: Final = 50
_ORDER: Final = attrgetter("timestamp", "event_id")


async def follow(databases: Databases, correlation_id: UUID, max_hops: int, limit: int) -> CorrelationTrace:
    """The chain that an exchange is part of. One round of questions for each hop, to all regions side by side.

    No exchange is looked at twice: a chain that leads back to itself ends there. Raises ValueError and what psycopg
    raises.
    """
    check_limit(limit)
    if not 0 <= max_hops <= MOST_HOPS:
        raise ValueError(f"max_hops={max_hops}: expected 0 to {MOST_HOPS}")
    found: list[tuple[int, StoredEvent]] = []
    cut, seen = False, {correlation_id}
    causes, effects = {correlation_id}, {correlation_id}
    for hop in range(max_hops + 1):
        left = limit - len(found)
        events, followers, more = await _look(databases, causes | effects, effects, left)
        found += [(-hop if event.correlation_id in causes else hop, event) for event in events[:left]]
        cut = more or len(events) > left
        causes = {e.parent_correlation_id for e in events if e.parent_correlation_id and e.correlation_id in causes}
        causes -= seen
        effects = followers - seen - causes
        seen |= causes | effects
        if cut or not causes | effects:
            break
    return CorrelationTrace(correlation_id, rules.exchanges(found), cut or bool(causes | effects))


async def _look(
    databases: Databases, ids: set[UUID], leaders: set[UUID], limit: int
) -> tuple[list[StoredEvent], set[UUID], bool]:
    """The events of some exchanges, oldest first; which exchanges followed from `leaders`; whether there are more."""
    parts = await asyncio.gather(
        *(_look_in(databases, region, list(ids), list(leaders), limit) for region in databases.regions.names)
    )
    events = sorted((event for part, _, _ in parts for event in part), key=_ORDER)
    return events, {follower for _, part, _ in parts for follower in part}, any(more for _, _, more in parts)


async def _look_in(
    databases: Databases, region: str, ids: list[UUID], leaders: list[UUID], limit: int
) -> tuple[list[StoredEvent], list[UUID], bool]:
    where = {"region": region, "ids": ids, "leaders": leaders, "limit": limit + 1, "bytes": MOST_BYTES}
    async with databases.connection(region) as connection:
        rows = await (await connection.execute(SQL["look"], where, binary=True)).fetchall()
    # Those that followed come last.
    end = next((number for number, row in enumerate(rows) if row[0] is None), len(rows))
    events, more = read_page(rows[:end], limit)
    return events, [row[2] for row in rows[end:]], more
