"""Writes events, a few statements per batch; and keeps the figures of sessions up to date, apart from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts, words
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.systems.trace_store.copying import copy_text
from streams_app.systems.trace_store.model import NewEvent

SQL = Statements(Path(__file__).with_name("store.sql"))

# Marks of sessions that one refresh takes: its transaction is short, and the next one follows at once.
REFRESH_MARKS = 2000


@dataclass(frozen=True, slots=True)
class Added:
    """What became of events: the ids of those that were not there, and the places, in what was given, of those whose
    id stands for another payload."""

    new: set[str]
    others: set[int]


class TraceWriter:
    """Writes to event_logs. Every method raises what psycopg raises."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        # Regions whose last events were there, some of them: a copy would fail, and leave dead rows behind.
        self._repeating: set[str] = set()

    async def add(self, region: str, events: Sequence[NewEvent]) -> Added:
        """Write events that are not there; may be done again."""
        if self._databases.settings.dialect == "postgres" and region not in self._repeating:
            try:
                return await in_transaction(self._databases, region, partial(_copy, region, events))
            except psycopg.errors.UniqueViolation:
                self._repeating.add(region)
        added = await in_transaction(self._databases, region, partial(self._insert, region, events))
        if len(added.new) == len(events):
            self._repeating.discard(region)
        return added

    async def _insert(self, region: str, events: Sequence[NewEvent], connection: Connection) -> Added:
        rows = await (await connection.execute(SQL["add"], _arguments(region, events))).fetchall()
        new = {event_id for (event_id,) in rows}
        others: set[int] = set()
        if len(new) < len(events):
            others = await self._others(connection, region, events)
        await _touch(region, {event.session_id for event in events if event.event_id in new}, connection)
        return Added(new, others)

    async def _others(self, connection: Connection, region: str, events: Sequence[NewEvent]) -> set[int]:
        times = [datetime.fromisoformat(event.timestamp) for event in events]
        arguments = {
            "region": region,
            "numbers": numbers(range(len(events))),
            "event_ids": texts([event.event_id for event in events]),
            "times": texts([event.timestamp for event in events]),
            "payloads": texts([event.payload for event in events]),
            # Known months keep the statement from planning for all of them.
            "since": min(times),
            "until": max(times),
        }
        rows = await (await connection.execute(SQL["others"], arguments)).fetchall()
        return {number for (number,) in rows}

    async def refresh(self, region: str) -> int:
        """Work out the figures of sessions that have new events; returns how many sessions those were.

        None while another worker does it. Nobody who reads or writes events waits for it.
        """

        async def refresh(connection: Connection) -> int:
            where: dict[str, Any] = {"region": region}
            await connection.execute(SQL["prepare_refresh"], where)
            if not await (await connection.execute(SQL["lock_refresh"], where)).fetchall():
                return 0
            rows = await (await connection.execute(SQL["take_touched"], where | {"limit": REFRESH_MARKS})).fetchall()
            sessions = {session for (session,) in rows}
            if sessions:
                await connection.execute(SQL["refresh"], where | {"sessions": list(sessions)})
            return len(sessions)

        total = 0
        while done := await in_transaction(self._databases, region, refresh):
            total += done
        return total


async def _copy(region: str, events: Sequence[NewEvent], connection: Connection) -> Added:
    async with connection.cursor() as cursor, cursor.copy(SQL["copy"]) as copy:
        await copy.write(copy_text(region, events))
    await _touch(region, {event.session_id for event in events}, connection)
    return Added({event.event_id for event in events}, set())


async def _touch(region: str, sessions: set[str], connection: Connection) -> None:
    if sessions:
        await connection.execute(SQL["touch"], {"region": region, "sessions": words(sessions)})


def _arguments(region: str, events: Sequence[NewEvent]) -> dict[str, Any]:
    ids, sessions, correlations, parents, types, topics, times, statuses, milliseconds, payloads, metadata = zip(
        *events, strict=True
    )
    return {
        "region": region,
        "event_ids": words(ids),
        "sessions": words(sessions),
        "correlations": words(correlations),
        "parents": words(parents),
        "types": words(types),
        "topics": words(topics),
        "times": words(times),
        "statuses": words(statuses),
        "milliseconds": words([None if value is None else str(value) for value in milliseconds]),
        "payloads": texts(payloads),
        "metadata": texts(metadata),
    }
