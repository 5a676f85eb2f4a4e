"""The tracked publisher: events are written down in the transaction of what caused them, and are published if and only
if it commits (a transactional outbox). A relay, or Debezium, carries them to their topics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams_app.databases import Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event, EventConflictError
from streams_app.settings import Settings
from streams_app.systems.tracking.rules import Draft, drafts

SQL = Statements(Path(__file__).with_name("publisher.sql"))


class TrackedPublisher:
    """Publishes the events of one service."""

    def __init__(self, service: str, settings: Settings) -> None:
        self._service = service
        self._max_retries = settings.tracking.max_retries
        self._max_bytes = settings.max_value_bytes

    async def publish(self, region: str, events: Sequence[Event], transaction: Connection) -> int:
        """Write events down as PENDING; returns how many are new. The same event again is no new one.

        Events of one key are published in the order in which they are written, as long as whoever writes them holds a
        lock of that key (its head, its row) in the same transaction. Raises EventConflictError when an id stands for
        another payload, and ValueError for an event that no topic would take.
        """
        rows = drafts(events, self._max_bytes)
        if not rows:
            return 0
        arguments = self._arguments(region, rows)
        new = len(await (await transaction.execute(SQL["publish"], arguments)).fetchall())
        if new < len(rows):
            found = await (await transaction.execute(SQL["find_conflicts"], arguments)).fetchall()
            if found:
                names = ", ".join(sorted(row[0] for row in found)[:10])
                raise EventConflictError(f"published before with another payload: {names}")
        return new

    def _arguments(self, region: str, rows: Sequence[Draft]) -> dict[str, Any]:
        events = [row.event for row in rows]
        return {
            "region": region,
            "service": self._service,
            "max_retries": self._max_retries,
            "event_ids": texts([event.event_id for event in events]),
            "topics": texts([event.topic for event in events]),
            "keys": texts([event.key for event in events]),
            "types": texts([event.event_type for event in events]),
            "payloads": texts([row.payload for row in rows]),
            "correlation_ids": texts([event.correlation_id for event in events]),
            "shards": numbers(row.shard for row in rows),
        }
