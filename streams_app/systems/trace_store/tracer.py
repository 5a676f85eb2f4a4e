"""Answers questions about sessions, exchanges and payloads, over all regions (seed 002: CodegenEventTracer)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.systems.trace_store import chains, cursors, rules, search
from streams_app.systems.trace_store.cursors import Listing
from streams_app.systems.trace_store.model import (
    CorrelationTrace,
    GroupMetrics,
    Latency,
    Page,
    SessionMetrics,
    SessionPage,
    SessionTrace,
    TimelinePoint,
    TopicPerformance,
)
from streams_app.systems.trace_store.reading import (
    MOST_BYTES,
    STATUSES,
    TYPES,
    Row,
    check_limit,
    place_of,
    read_page,
)

SQL = Statements(Path(__file__).with_name("tracer.sql"))

#: Most hours that a trace looks back: ten years, as long as events may be kept.
MOST_HOURS: Final = 87_600
#: Points of a session's timeline.
TIMELINE_POINTS: Final = 1000


class CodegenEventTracer:
    """Reads the trace store. A session is read in its own region, everything else in all of them, side by side.

    Every method raises ValueError, with a sentence, for arguments that it does not take, and what psycopg and
    `Databases.connection` raise: when a region that is asked is down the whole answer fails, because one that lacks a
    part would look like all there is. Pages have at most 10,000 events; they end early when those are long.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def trace_session_events(
        self, session_id: UUID, time_range_hours: float = 24, limit: int = 1000, after: str | None = None
    ) -> SessionTrace:
        """The events of a session in the last hours, oldest first, `limit` of them; `after` is the cursor that the page
        before gave."""
        check_limit(limit)
        if not 0 < time_range_hours <= MOST_HOURS:
            raise ValueError(f"time_range_hours={time_range_hours}: expected more than 0, at most {MOST_HOURS:,}")
        region = self._databases.regions.of_account(session_id)
        since = datetime.now(UTC) - timedelta(hours=time_range_hours)
        where: dict[str, Any] = {"region": region, "session": session_id, "since": since}
        async with self._databases.connection(region) as connection:
            page = await _page(connection, where, limit, after)
            if after is None and page.next is None:
                times = [event.timestamp for event in page.events] or [since]
                total, first, last = len(page.events), times[0], times[-1]
            else:
                [(total, first, last)] = await (await connection.execute(SQL["extent"], where)).fetchall()
        return SessionTrace(session_id, region, total, _milliseconds(first, last), page)

    async def get_session_metrics(self, session_id: UUID) -> SessionMetrics | None:
        """What all stored events of a session say together; None when nobody knows the session."""
        region = self._databases.regions.of_account(session_id)
        where = {"region": region, "session": session_id, "limit": TIMELINE_POINTS + 1}
        async with self._databases.connection(region) as connection, connection.pipeline():
            figures = await connection.execute(SQL["metrics"], where)
            timeline = await connection.execute(SQL["timeline"], where, binary=True)
            return _metrics(session_id, region, await figures.fetchall(), await timeline.fetchall())

    async def find_correlated_events(
        self, correlation_id: UUID, max_hops: int = 5, limit: int = 1000
    ) -> CorrelationTrace:
        """The events of an exchange, of those that it followed from, and of those that followed from it.

        Of more than `limit` events those of the nearest hops are given, the oldest of the last one.
        """
        return await chains.follow(self._databases, correlation_id, max_hops, limit)

    async def search(
        self,
        payload: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        """The events whose payload, metadata or both contain what is given (`@>`), newest first."""
        return await search.search(self._databases, search.Wanted(payload, metadata, since, until), limit, after)

    async def slow_topics(self, limit: int = 100) -> list[TopicPerformance]:
        """The topics of each region in the last 24 hours, the slowest on average first."""
        return await search.slow_topics(self._databases, limit)

    async def sessions(self, limit: int = 100, after: str | None = None) -> SessionPage:
        """Sessions with their figures as of the last refresh, the one with the newest event first."""
        return await search.sessions(self._databases, limit, after)


async def _page(connection: Connection, where: dict[str, Any], limit: int, after: str | None) -> Page:
    name, arguments = "trace", where | {"limit": limit + 1, "bytes": MOST_BYTES}
    if after is not None:
        last = cursors.decode(Listing.TRACE, after)
        name, arguments = "trace_after", arguments | {"after_time": last.time, "after_id": last.id}
    cursor = await connection.execute(SQL[name], arguments, binary=True)
    events, more = read_page(await cursor.fetchall(), limit)
    return Page(events, cursors.encode(Listing.TRACE, place_of(events[-1])) if more else None)


def _milliseconds(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds() * 1000


def _group(row: Row) -> GroupMetrics:
    return GroupMetrics(row[1], row[2], row[3], Latency(*row[4:10]))


def _metrics(session_id: UUID, region: str, rows: Sequence[Row], points: Sequence[Row]) -> SessionMetrics | None:
    """The answer, from the rows of `metrics` and `timeline`."""
    [whole] = (row for row in rows if row[0] == "all")
    overall, (correlations, started, ended, success_rate) = _group(whole), whole[10:]
    if not overall.events:
        return None
    by_topic = [_group(row) for row in rows if row[0] == "topic"]
    timeline = [
        TimelinePoint(_milliseconds(started, time), TYPES[kind], topic, STATUSES[status], correlation, took)
        for time, kind, topic, status, correlation, took in points[:TIMELINE_POINTS]
    ]
    return SessionMetrics(
        session_id,
        region,
        overall.events,
        overall.failed,
        correlations,
        started,
        ended,
        success_rate,
        overall.latency,
        [_group(row) for row in rows if row[0] == "type"],
        by_topic,
        rules.bottlenecks(by_topic),
        timeline,
        len(points) > TIMELINE_POINTS,
    )
