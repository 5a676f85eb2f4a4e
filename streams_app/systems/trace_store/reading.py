"""What the questions to the store have in common: their limits, and rows that become events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from streams_app.systems.trace_store.cursors import Place
from streams_app.systems.trace_store.model import EventStatus, EventType, StoredEvent

#: Most events of one page, or of one chain.
MOST_EVENTS: Final = 10_000
#: Bytes of payloads, as they lie in the table, after which a page ends: a thousand long ones would fill the memory.
MOST_BYTES: Final = 16 * 1024 * 1024

TYPES: Final = {kind.value: kind for kind in EventType}
STATUSES: Final = {status.value: status for status in EventStatus}
Row = tuple[Any, ...]


def check_limit(limit: int) -> None:
    """Raises ValueError for a page that is empty, or too long."""
    if not 1 <= limit <= MOST_EVENTS:
        raise ValueError(f"limit={limit}: expected 1 to {MOST_EVENTS:,}")


def read_page(rows: Sequence[Row], limit: int) -> tuple[list[StoredEvent], bool]:
    """The events of a page, from rows of which one more than `limit` was asked for; and whether there may be more."""
    full = len(rows) > limit or bool(rows and rows[-1][-1] >= MOST_BYTES)
    rows = rows[:limit]
    # All at once: one call for each would cost more than the parsing.
    payloads, metadata = (orjson.loads(f"[{','.join([row[column] for row in rows])}]") for column in (9, 10))
    return [_event(*parts) for parts in zip(rows, payloads, metadata, strict=True)], full


def place_of(event: StoredEvent, region: str = "") -> Place:
    """Where a page ends whose last event this is."""
    return Place(event.timestamp, event.event_id, region)


def _event(row: Row, payload: Any, metadata: Any) -> StoredEvent:
    event_id, session, correlation, parent, kind, topic, time, status, milliseconds = row[:9]
    return StoredEvent(
        event_id,
        session,
        correlation,
        parent,
        TYPES[kind],
        topic,
        time,
        STATUSES[status],
        milliseconds,
        payload,
        metadata,
    )
