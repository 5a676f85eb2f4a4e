"""Answers questions about sessions, exchanges and payloads, over all regions (seed 002: CodegenEventTracer)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from streams_app.databases import Databases, Statements
from streams_app.systems.trace_store import cursors, rules
from streams_app.systems.trace_store.cursors import Listing, Place
from streams_app.systems.trace_store.model import (
    CorrelationTrace,
    EventStatus,
    EventType,
    GroupMetrics,
    Latency,
    Page,
    SessionMetrics,
    SessionTrace,
    StoredEvent,
    TimelinePoint,
)

SQL = Statements(Path(__file__).with_name("tracer.sql"))

#: Most events of one page, or of one chain.
MOST_EVENTS: Final = 10_000
#: Most hours that a trace looks back: ten years, as long as events may be kept.
MOST_HOURS: Final = 87_600
#: Most hops of a chain, in each direction.
MOST_HOPS: Final = 50
#: Points of a session's timeline.
TIMELINE_POINTS: Final = 1000

_TYPES: Final = {kind.value: kind for kind in EventType}
_STATUSES: Final = {status.value: status for status in EventStatus}
_ORDER: Final = attrgetter("timestamp", "event_id")
_Row = tuple[Any, ...]


class CodegenEventTracer:
    """Reads the trace store. A session is read in its own region, a correlation id in all of them, side by side.

    Every method raises ValueError, with a sentence, for arguments that it does not take, and what psycopg and
    `Databases.connection` raise: when a region that is asked is down, the whole answer fails, because one that lacks a
    part would look like all there is.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def trace_session_events(
        self, session_id: UUID, time_range_hours: float = 24, limit: int = 1000, after: str | None = None
    ) -> SessionTrace:
        """The events of a session in the last hours, oldest first, `limit` of them from `after` on: the cursor that the
        page before gave."""
        _check("limit", limit, MOST_EVENTS)
        _check("time_range_hours", time_range_hours, MOST_HOURS)
        region = self._databases.regions.of_account(session_id)
        where: dict[str, Any] = {
            "region": region,
            "session": session_id,
            "since": datetime.now(UTC) - timedelta(hours=time_range_hours),
        }
        name, place = "trace", {}
        if after is not None:
            last = cursors.decode(Listing.TRACE, after)
            name, place = "trace_after", {"after_time": last.time, "after_id": last.id}
        async with self._databases.connection(region) as connection:
            cursor = await connection.execute(SQL[name], {**where, **place, "limit": limit + 1}, binary=True)
            rows = await cursor.fetchall()
            events = [_event(row) for row in rows[:limit]]
            more = len(rows) > limit
            if after is None and not more:
                total, duration = len(events), _milliseconds(events[0], events[-1]) if events else 0.0
            else:
                [extent] = await (await connection.execute(SQL["extent"], where)).fetchall()
                total, duration = extent[0], _span(extent[1], extent[2])
        following = cursors.encode(Listing.TRACE, _place(events[-1])) if more else None
        return SessionTrace(session_id, region, total, duration, Page(events, following))

    async def get_session_metrics(self, session_id: UUID) -> SessionMetrics | None:
        """What all stored events of a session say together; None when there is none."""
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

        One round of questions for each hop, to all regions side by side. Of more than `limit` events those of the
        nearest hops are given, the oldest of the last one.
        """
        _check("limit", limit, MOST_EVENTS)
        _check("max_hops", max_hops, MOST_HOPS, least=0)
        seen, found, cut = {correlation_id}, list[tuple[int, StoredEvent]](), False
        before, behind = {correlation_id}, {correlation_id}
        for hop in range(max_hops + 1):
            events, followers = await self._hop(before | behind, behind, limit - len(found) + 1)
            cut = len(found) + len(events) > limit
            events = events[: limit - len(found)]
            found += [(-hop if event.correlation_id in before else hop, event) for event in events]
            parents = {event.parent_correlation_id for event in events if event.correlation_id in before} - {None}
            before = {parent for parent in parents if parent is not None} - seen
            behind = followers - seen - before
            seen |= before | behind
            if cut or not before | behind:
                break
        else:
            cut = True
        return CorrelationTrace(correlation_id, rules.exchanges(found), cut)

    async def _hop(self, ids: set[UUID], leaders: set[UUID], limit: int) -> tuple[list[StoredEvent], set[UUID]]:
        """The events of some exchanges, oldest first, and what followed from `leaders`."""
        parts = await asyncio.gather(
            *(self._hop_in(region, list(ids), list(leaders), limit) for region in self._databases.regions.names)
        )
        events = sorted((event for part, _ in parts for event in part), key=_ORDER)
        return events, {follower for _, part in parts for follower in part}

    async def _hop_in(
        self, region: str, ids: list[UUID], leaders: list[UUID], limit: int
    ) -> tuple[list[StoredEvent], list[UUID]]:
        where = {"region": region, "limit": limit}
        async with self._databases.connection(region) as connection, connection.pipeline():
            events = await connection.execute(SQL["exchanges"], where | {"ids": ids}, binary=True)
            followers = await connection.execute(SQL["followers"], where | {"ids": leaders}, binary=True)
            return [_event(row) for row in await events.fetchall()], [row[0] for row in await followers.fetchall()]


def _check(name: str, value: float, most: int, least: int = 1) -> None:
    # A range of hours may be a part of one.
    if not (least <= value or 0 < value < least == 1) or value > most:
        raise ValueError(f"{name}={value}: expected {least} to {most:,}")


def _event(row: _Row) -> StoredEvent:
    event_id, session, correlation, parent, kind, topic, time, status, milliseconds, payload, metadata = row
    return StoredEvent(
        event_id,
        session,
        correlation,
        parent,
        _TYPES[kind],
        topic,
        time,
        _STATUSES[status],
        milliseconds,
        payload,
        metadata,
    )


def _place(event: StoredEvent, region: str = "") -> Place:
    return Place(event.timestamp, event.event_id, region)


def _milliseconds(first: StoredEvent, last: StoredEvent) -> float:
    return _span(first.timestamp, last.timestamp)


def _span(first: datetime | None, last: datetime | None) -> float:
    return 0.0 if first is None or last is None else (last - first).total_seconds() * 1000


def _group(row: _Row) -> GroupMetrics:
    return GroupMetrics(row[1], row[2], row[3], Latency(*row[4:10]))


def _metrics(session_id: UUID, region: str, rows: Sequence[_Row], points: Sequence[_Row]) -> SessionMetrics | None:
    """The answer from the rows of `metrics` and `timeline`."""
    groups: dict[str, list[_Row]] = {"all": [], "topic": [], "type": []}
    for row in rows:
        groups[row[0]].append(row)
    [whole] = groups["all"]
    overall, (correlations, started, ended, rate) = _group(whole), whole[10:]
    if not overall.events:
        return None
    topics = [_group(row) for row in groups["topic"]]
    return SessionMetrics(
        session_id,
        region,
        overall.events,
        overall.failed,
        correlations,
        started,
        ended,
        rate,
        overall.latency,
        [_group(row) for row in groups["type"]],
        topics,
        rules.bottlenecks(topics),
        list(_timeline(started, points[:TIMELINE_POINTS])),
        len(points) > TIMELINE_POINTS,
    )


def _timeline(started: datetime, points: Iterable[_Row]) -> Iterable[TimelinePoint]:
    for time, kind, topic, status, correlation, milliseconds in points:
        yield TimelinePoint(_span(started, time), _TYPES[kind], topic, _STATUSES[status], correlation, milliseconds)
