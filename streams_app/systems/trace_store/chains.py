"""Follows a correlation id from exchange to exchange, in both directions, through all regions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
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
# Exchanges that a region looks for at least: a circle has several ways to each.
_EXCHANGES: Final = 1000


async def follow(databases: Databases, correlation_id: UUID, max_hops: int, limit: int) -> CorrelationTrace:
    """The chain that an exchange is part of. A region answers with all that it knows of the chain; what one has found
    the others are asked about, until there is nothing new: two rounds, when a chain stays in its region.

    An exchange has the hop of the shortest way to it. Raises ValueError and what psycopg raises.
    """
    check_limit(limit)
    if not 0 <= max_hops <= MOST_HOPS:
        raise ValueError(f"max_hops={max_hops}: expected 0 to {MOST_HOPS}")
    hops = {correlation_id: 0}
    asked: dict[str, dict[UUID, int]] = {region: {} for region in databases.regions.names}
    events: dict[tuple[str, UUID, datetime], StoredEvent] = {}
    cut = False
    while wanted := _wanted(hops, asked, max_hops):
        answers = await asyncio.gather(*(_look(databases, *item, max_hops, limit) for item in wanted.items()))
        for region, (found, known, more) in zip(wanted, answers, strict=True):
            events |= {(region, event.event_id, event.timestamp): event for event in found}
            cut |= more
            for name, hop in known:
                for heard in (hops, asked[region]):
                    if name not in heard or _is_nearer(hop, heard[name]):
                        heard[name] = hop
    chain = [(hops[event.correlation_id], event) for event in events.values() if event.correlation_id]
    chain.sort(key=lambda pair: (abs(pair[0]), pair[1].timestamp, pair[1].event_id))
    cut |= len(chain) > limit or any(abs(hop) > max_hops for hop in hops.values())
    return CorrelationTrace(correlation_id, rules.exchanges(chain[:limit]), cut)


def _is_nearer(hop: int, than: int) -> bool:
    """Of two ways that are as long, the one to a cause."""
    return (abs(hop), hop) < (abs(than), than)


def _wanted(
    hops: Mapping[UUID, int], asked: Mapping[str, Mapping[UUID, int]], max_hops: int
) -> dict[str, dict[UUID, int]]:
    """What each region does not know yet that it is asked for, or only by a longer way."""
    wanted = {
        region: {
            name: hop
            for name, hop in hops.items()
            if abs(hop) <= max_hops and (name not in known or _is_nearer(hop, known[name]))
        }
        for region, known in asked.items()
    }
    return {region: part for region, part in wanted.items() if part}


async def _look(
    databases: Databases, region: str, seeds: Mapping[UUID, int], max_hops: int, limit: int
) -> tuple[list[StoredEvent], list[tuple[UUID, int]], bool]:
    """The events of the chain that a region has, the exchanges that it has heard of, with their hops, and whether
    there are more."""
    exchanges = max(limit, _EXCHANGES) + 1
    where = {
        "region": region,
        "ids": list(seeds),
        "hops": list(seeds.values()),
        "most": max_hops,
        "limit": limit + 1,
        "exchanges": exchanges,
        "bytes": MOST_BYTES,
    }
    async with databases.connection(region) as connection:
        rows = await (await connection.execute(SQL["look"], where, binary=True)).fetchall()
    # The exchanges come last.
    end = next(number for number, row in enumerate(rows) if row[0] is None)
    events, more = read_page(rows[:end], limit)
    return events, [(row[2], row[12]) for row in rows[end:]], more or len(rows) - end == exchanges
