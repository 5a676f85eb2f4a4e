"""Reads of both logs for people: what failed, everything of one event, everything of one correlation id."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from psycopg.rows import dict_row

from streams_app.databases import Databases, Statements
from streams_app.systems.tracking.summaries import Side
from streams_app.systems.tracking.traces import Consumed, Produced, Trace, stitch

SQL = Statements(Path(__file__).with_name("lookups.sql"))
#: Most rows of one correlation id that are read of each log and region.
MOST_OF_A_TRACE: Final = 1000
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events: None for any; `since` is the oldest creation of its row."""

    since: datetime
    side: Side | None = None
    topic: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that both logs know of one event, as rows by column name; keys are its identities."""

    event_id: str
    production_keys: list[Row]
    productions: list[Row]
    consumption_keys: list[Row]
    consumptions: list[Row]

    @property
    def known(self) -> bool:
        """Whether any log has it."""
        return bool(self.production_keys or self.productions or self.consumptions)


async def failed(databases: Databases, wanted: Filter, limit: int) -> list[Row]:
    """The newest events that were given up, newest first. Raises what psycopg raises."""
    arguments = {"since": wanted.since, "topic": wanted.topic, "service": wanted.service, "limit": limit}
    sides = (wanted.side,) if wanted.side else tuple(Side)
    rows = [row for side in sides for row in await _everywhere(databases, f"failed_{side.value}", arguments)]
    return sorted(rows, key=itemgetter("created_at"), reverse=True)[:limit]


async def account(databases: Databases, event_id: str) -> Account:
    """What all regions know of an event. Raises what psycopg raises."""
    arguments: Row = {"event_id": event_id}
    consumptions = await _everywhere(databases, "consumptions", arguments)
    arguments["groups"] = sorted({row["consumer_group"] for row in consumptions})
    return Account(
        event_id,
        await _everywhere(databases, "production_keys", arguments),
        await _everywhere(databases, "productions", arguments),
        await _everywhere(databases, "consumption_keys", arguments),
        consumptions,
    )


async def trace(databases: Databases, correlation_id: str) -> Trace:
    """The flow of what belongs together, through all services and regions. Raises what psycopg raises."""
    arguments = {"correlation_id": correlation_id, "limit": MOST_OF_A_TRACE}
    productions = await _everywhere(databases, "productions_of_correlation", arguments)
    consumptions = await _everywhere(databases, "consumptions_of_correlation", arguments)
    return stitch(
        correlation_id,
        [Produced(partition=row.pop("partition_number"), **row) for row in productions],
        [Consumed(partition=row.pop("partition_number"), **row) for row in consumptions],
    )


async def _everywhere(databases: Databases, name: str, arguments: Row) -> list[Row]:
    """The rows of all regions, each read in its own."""
    parts = await asyncio.gather(*(_rows(databases, region, name, arguments) for region in databases.regions.names))
    return [row for part in parts for row in part]


async def _rows(databases: Databases, region: str, name: str, arguments: Row) -> list[Row]:
    async with databases.connection(region) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(SQL[name], {"region": region, **arguments})).fetchall()
