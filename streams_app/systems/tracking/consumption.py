"""The log of consumed events of one consumer group: a few statements per batch, whatever its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from streams_app import metrics
from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction

SQL = Statements(Path(__file__).with_name("consumption.sql"))

#: When the rows of events were made, by event_id: with it the place of a row.
Rows: TypeAlias = dict[str, datetime]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A consumed event. `payload` is its JSON text, `data` the same parsed; `key` is None for an event without."""

    event_id: str
    event_type: str
    topic: str
    partition: int
    offset: int
    key: str | None
    payload: str
    data: Any
    correlation_id: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Events that are this transaction's to process; the others were processed before. `rows` says where those are
    that were heard of before."""

    fresh: list[Incoming]
    rows: Rows


class ConsumptionLog:
    """What one group has consumed. Every method raises what psycopg raises."""

    def __init__(self, databases: Databases, group: str, service: str, max_retries: int) -> None:
        self._databases = databases
        self._group = group
        self._service = service
        self._max_retries = max_retries

    async def receive(self, region: str, events: Sequence[Incoming]) -> Rows:
        """Write new events down as RECEIVED; returns the rows of those that are not processed."""
        arguments = self._arguments(region, events)

        async def receive(connection: Connection) -> Rows:
            async with connection.pipeline():
                await connection.execute(SQL["receive"], arguments)
                rows = await connection.execute(SQL["find_open"], arguments)
                return dict(await rows.fetchall())

        return await in_transaction(self._databases, region, receive)

    async def begin(self, region: str, rows: Rows) -> None:
        """Events that are not processed are PROCESSING."""
        if not rows:
            return

        async def begin(connection: Connection) -> None:
            arguments = {"region": region, "group": self._group, "event_ids": list(rows), **_places([*rows.values()])}
            await connection.execute(SQL["begin"], arguments)

        await in_transaction(self._databases, region, begin)

    async def claim(self, connection: Connection, region: str, events: Sequence[Incoming]) -> Claim:
        """The idempotency check, in the transaction of the effect."""
        arguments = self._keys(region, events)
        found = await (await connection.execute(SQL["claim"], arguments)).fetchall()
        if len(found) < len(events):
            same, _ = await self._others(connection, region, events)
            if same:
                await connection.execute(SQL["adopt"], self._keys(region, same))
                found += await (await connection.execute(SQL["claim"], self._keys(region, same))).fetchall()
        claimed = {event_id for event_id, _, _ in found}
        known = {event_id: created_at for event_id, created_at, new in found if not new}
        return Claim([event for event in events if event.event_id in claimed], known)

    async def finish(
        self, connection: Connection, region: str, claim: Claim, milliseconds: int, *, received: bool
    ) -> None:
        """In the same transaction: what was claimed is PROCESSED. `received`: its rows are there already."""
        new = [event for event in claim.fresh if event.event_id not in claim.rows]
        known = [event for event in claim.fresh if event.event_id in claim.rows]
        if new:
            await connection.execute(SQL["write_outcome"], self._arguments(region, new) | {"ms": milliseconds})
        if known:
            name, arguments = ("finish", self._keys) if received else ("rewrite_outcome", self._arguments)
            places = _places([claim.rows[event.event_id] for event in known])
            await connection.execute(SQL[name], arguments(region, known) | places | {"ms": milliseconds})

    async def fail(self, region: str, event: Incoming, tries: int, error: str, stack: str) -> None:
        """The event is FAILED for now, after so many tries beyond the first."""

        async def fail(connection: Connection) -> None:
            more = {"tries": tries, "error": error, "stack": stack}
            await connection.execute(SQL["fail"], self._arguments(region, [event]) | more)

        await in_transaction(self._databases, region, fail)

    async def conflicts(self, region: str, events: Sequence[Incoming]) -> set[str]:
        """The ids that stand for another payload; where they came from is noted beside that event."""

        async def note(connection: Connection) -> set[str]:
            _, wrong = await self._others(connection, region, events)
            await self._note(connection, region, wrong)
            return {event.event_id for event in wrong}

        return await in_transaction(self._databases, region, note)

    async def _others(
        self, connection: Connection, region: str, events: Sequence[Incoming]
    ) -> tuple[list[Incoming], list[Incoming]]:
        """Of events whose id is known with another digest: those with the same payload, and the conflicts."""
        rows = await (await connection.execute(SQL["find_others"], self._keys(region, events))).fetchall()
        if not rows:
            return [], []
        created = {event_id: created_at for event_id, created_at in rows}
        others = [event for event in events if event.event_id in created]
        arguments = self._keys(region, others) | _places([created[event.event_id] for event in others])
        arguments["payloads"] = texts([event.payload for event in others])
        found = await (await connection.execute(SQL["find_same"], arguments)).fetchall()
        same = {event_id for (event_id,) in found}
        return (
            [event for event in others if event.event_id in same],
            [event for event in others if event.event_id not in same],
        )

    async def note_conflicts(self, region: str, events: Sequence[Incoming]) -> None:
        """Note where other payloads came under the ids of events."""

        async def note(connection: Connection) -> None:
            await self._note(connection, region, events)

        await in_transaction(self._databases, region, note)

    async def _note(self, connection: Connection, region: str, events: Sequence[Incoming]) -> None:
        # Of several in one statement one alone would be noted.
        for event in events:
            origin = f"{event.topic}-{event.partition}-{event.offset}"
            arguments = self._arguments(region, [event]) | {"origins": [origin]}
            await connection.execute(SQL["note_conflict"], arguments)

    def _keys(self, region: str, events: Sequence[Incoming]) -> dict[str, Any]:
        return {
            "region": region,
            "group": self._group,
            "event_ids": texts([event.event_id for event in events]),
            "digests": texts([event.digest for event in events]),
        }

    def _arguments(self, region: str, events: Sequence[Incoming]) -> dict[str, Any]:
        return self._keys(region, events) | {
            "service": self._service,
            "max_retries": self._max_retries,
            "topics": texts([event.topic for event in events]),
            "partitions": numbers(event.partition for event in events),
            "offsets": numbers(event.offset for event in events),
            "keys": texts([event.key for event in events]),
            "types": texts([event.event_type for event in events]),
            "payloads": texts([event.payload for event in events]),
            "correlation_ids": texts([event.correlation_id for event in events]),
        }


def _places(created: list[datetime]) -> dict[str, Any]:
    # The bounds say which days a statement need look at.
    return {"created": created, "oldest": min(created), "newest": max(created)}


def count_processed(system: str, events: Sequence[Incoming]) -> None:
    """Count events of a system whose effect is committed, by topic."""
    for topic, count in Counter(event.topic for event in events).items():
        metrics.TRACKING_CONSUMED.labels(system, topic).inc(count)
        metrics.TRACKING_PROCESSED.labels(system, topic).inc(count)
