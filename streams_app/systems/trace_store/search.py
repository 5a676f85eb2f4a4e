"""Questions to all regions whose answers are merged in one order: what payloads hold, topics, the latest sessions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import orjson

from streams_app.databases import Databases, Statements
from streams_app.systems.trace_store import cursors, rules
from streams_app.systems.trace_store.cursors import Listing, Place
from streams_app.systems.trace_store.model import Page, SessionPage, SessionSummary, StoredEvent, TopicPerformance
from streams_app.systems.trace_store.reading import MOST_BYTES, Row, check_limit, place_of, read_page

SQL = Statements(Path(__file__).with_name("search.sql"))

# Events are neither older nor newer; they are as years that every client can show.
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)
# A NUL as JSON writes it, not a backslash before the letters u0000.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_Key = tuple[datetime, Any, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What events must hold (JSON containment: `@>`) and when they were: from `since` on, before `until`."""

    payload: Any = None
    metadata: Any = None
    since: datetime | None = None
    until: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        """For the statements. Raises ValueError for what would find nothing or everything, or has no zone."""
        if self.payload is None and self.metadata is None:
            raise ValueError('name what events hold: payload={"field": value}, metadata={"field": value}, or both')
        for name, time in (("since", self.since), ("until", self.until)):
            if time is not None and time.tzinfo is None:
                raise ValueError(f"{name}={time.isoformat()}: expected a time with its zone")
        return {
            "payload": _json("payload", self.payload),
            "metadata": _json("metadata", self.metadata),
            "since": self.since or _BEGINNING,
            "until": self.until or _END,
        }


async def search(databases: Databases, wanted: Wanted, limit: int, after: str | None) -> Page:
    """The events that hold what is wanted, newest first. Raises ValueError and what psycopg raises."""
    check_limit(limit)
    name, arguments, after_region = "search", wanted.arguments() | {"limit": limit + 1, "bytes": MOST_BYTES}, ""
    if after is not None:
        last = cursors.decode(Listing.SEARCH, after)
        name, after_region = "search_after", last.region
        arguments |= {"after_time": last.time, "after_id": last.id}
    parts = await asyncio.gather(
        *(
            _rows(databases, region, name, arguments | {"rank": int(region >= after_region)}, binary=True)
            for region in databases.regions.names
        )
    )
    return _merged(databases.regions.names, parts, limit)


def _merged(regions: Sequence[str], parts: Sequence[Sequence[Row]], limit: int) -> Page:
    """One page of the pages of all regions."""
    found: list[tuple[_Key, StoredEvent]] = []
    # Beyond the end of a region's part it may have more, that come before what others have there.
    sure: _Key | None = None
    for region, rows in zip(regions, parts, strict=True):
        events, full = read_page(rows, limit)
        keyed = [((event.timestamp, event.event_id, region), event) for event in events]
        found += keyed
        if full:
            sure = keyed[-1][0] if sure is None else max(sure, keyed[-1][0])
    found.sort(key=itemgetter(0), reverse=True)
    kept = [pair for pair in found if sure is None or pair[0] >= sure][:limit]
    more = len(kept) < len(found) or sure is not None
    following = cursors.encode(Listing.SEARCH, place_of(kept[-1][1], kept[-1][0][2])) if more else None
    return Page([event for _, event in kept], following)


async def slow_topics(databases: Databases, limit: int) -> list[TopicPerformance]:
    """Topics of the last 24 hours, the slowest on average first. Raises ValueError and what psycopg raises."""
    check_limit(limit)
    parts = await _everywhere(databases, "slow_topics", {"limit": limit})
    topics = [
        _performance(region, row) for region, rows in zip(databases.regions.names, parts, strict=True) for row in rows
    ]
    return sorted(topics, key=lambda topic: (-(topic.average_ms or 0.0), topic.topic, topic.region))[:limit]


async def sessions(databases: Databases, limit: int, after: str | None) -> SessionPage:
    """Sessions as they were at their last refresh, the one with the newest event first. Raises ValueError and what
    psycopg raises."""
    check_limit(limit)
    name, arguments = "sessions", dict[str, Any](limit=limit + 1)
    if after is not None:
        last = cursors.decode(Listing.SESSIONS, after)
        name, arguments = "sessions_after", arguments | {"after_time": last.time, "after_id": last.id}
    found = [SessionSummary(*row) for rows in await _everywhere(databases, name, arguments) for row in rows]
    # Two sorts, because one goes down and the other up; the second keeps the order of the first.
    found.sort(key=lambda session: session.session_id)
    found.sort(key=lambda session: session.last_event_at, reverse=True)
    page = found[:limit]
    place = Place(page[-1].last_event_at, page[-1].session_id) if len(found) > limit else None
    return SessionPage(page, None if place is None else cursors.encode(Listing.SESSIONS, place))


def _performance(region: str, row: Row) -> TopicPerformance:
    topic, events, failed, succeeded, average, p95, longest = row
    return TopicPerformance(region, topic, events, failed, succeeded, average, p95, longest, rules.severity(average))


def _json(name: str, value: Any) -> str | None:
    if value is None:
        return None
    # Every payload is an object, and every object holds an empty one.
    if not isinstance(value, dict) or not value:
        raise ValueError(f'{name}: expected an object with at least one field, such as {{"field": value}}')
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{name}: {error}") from None
    if _NUL.search(text):
        raise ValueError(f"{name}: no event holds a NUL character")
    return text.decode()


async def _everywhere(databases: Databases, name: str, arguments: dict[str, Any]) -> Iterable[list[Row]]:
    return await asyncio.gather(*(_rows(databases, region, name, arguments) for region in databases.regions.names))


async def _rows(
    databases: Databases, region: str, name: str, arguments: dict[str, Any], binary: bool = False
) -> list[Row]:
    async with databases.connection(region) as connection:
        cursor = await connection.execute(SQL[name], {"region": region, **arguments}, binary=binary)
        return await cursor.fetchall()
