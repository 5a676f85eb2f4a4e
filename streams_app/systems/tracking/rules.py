"""What is decided about events on their way out: which relay has them, what a refusal means. Pure."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import orjson

from streams_app.backoff import Backoff
from streams_app.delivery.events import Event, EventConflictError
from streams_app.systems.tracking.model import ProductionStatus

#: Shares of a region's events: so many relays can work side by side.
SHARDS: Final = 16

# Between tries of an event that the broker refused, in seconds.
REFUSED: Final = Backoff(first=0.5, most=30.0)

_LONGEST: Final = {"event_id": 100, "event_type": 100, "topic": 249}
# NUL as JSON writes it: no database takes it. After another backslash it is text.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def shard_of(key: str | None, event_id: str) -> int:
    """The share that an event is in: that of its key; without a key, its own."""
    return zlib.crc32((event_id if key is None else key).encode()) % SHARDS


def fair_share(relays: int) -> int:
    """How many shards a relay may hold while so many relays live."""
    return ceil(SHARDS / max(1, relays))


@dataclass(frozen=True, slots=True)
class Draft:
    """An event as its row will be: checked, its payload as JSON text."""

    event: Event
    payload: str
    shard: int


def drafts(events: Sequence[Event], max_bytes: int) -> list[Draft]:
    """The rows of events, each id once, in the order given.

    Raises ValueError for an event that no log or topic would take (its next step is the caller's: mend the event), and
    EventConflictError when two of them have one id and different payloads.
    """
    made: dict[str, Draft] = {}
    for event in events:
        draft = Draft(event, _payload(event, max_bytes), shard_of(event.key, event.event_id))
        known = made.setdefault(event.event_id, draft)
        if known.payload != draft.payload:
            raise EventConflictError(f"event {event.event_id} is given twice, with different payloads")
    return list(made.values())


def _check(event: Event) -> None:
    for name, longest in _LONGEST.items():
        value = getattr(event, name)
        if not 0 < len(value) <= longest:
            raise ValueError(f"event {event.event_id[:120]!r}: {name} must have 1 to {longest} characters")
    if len(event.key or "") > 255 or len(event.correlation_id or "") > 100:
        raise ValueError(f"event {event.event_id}: at most 255 characters of key and 100 of correlation_id")
    texts = event.event_id, event.event_type, event.topic, event.key, event.correlation_id
    if any("\0" in text for text in texts if text is not None):
        raise ValueError(f"event {event.event_id!r}: a NUL character in its id, type, topic, key or correlation_id")


def _payload(event: Event, max_bytes: int) -> str:
    _check(event)
    try:
        data = orjson.dumps(event.payload)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"event {event.event_id}: the payload is not JSON ({error})") from None
    if (size := _published_size(data, max_bytes)) > max_bytes:
        raise ValueError(
            f"event {event.event_id}: {size} bytes, at most {max_bytes} are published (max_value_bytes); "
            "put the bulk elsewhere and publish a reference"
        )
    if _NUL.search(data):
        raise ValueError(f"event {event.event_id}: the payload holds a NUL character")
    return data.decode()


def _published_size(data: bytes, max_bytes: int) -> int:
    """The bytes of a record's value, where it is near the limit: databases write a space after each comma and colon."""
    if len(data) + data.count(b",") + data.count(b":") <= max_bytes:
        return len(data)
    return len(json.dumps(orjson.loads(data), ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that a relay has taken; `created_at` and `event_id` are its row's place."""

    id: int
    event_id: str
    created_at: Any
    service_name: str
    topic: str
    event_key: str | None
    event_type: str
    payload: str
    correlation_id: str | None
    shard: int
    retry_count: int
    max_retries: int


@dataclass(frozen=True, slots=True)
class Unpublished:
    """What becomes of an event that is not on its topic: its next status, and when it may be tried again (seconds)."""

    taken: Taken
    status: ProductionStatus
    retry_count: int
    pause: float | None = None
    error: str | None = None


def after_refusal(taken: Taken, reason: str, *, counts: bool, fraction: float) -> Unpublished:
    """What becomes of an event that was not published.

    Only a refusal of this very event `counts` as a try (seed 001: max_retries); while the broker is away all wait.
    `fraction` is a random number from 0 to 1.
    """
    if not counts:
        return Unpublished(taken, ProductionStatus.PENDING, taken.retry_count)
    if taken.retry_count >= taken.max_retries:
        return Unpublished(taken, ProductionStatus.FAILED, taken.retry_count, None, reason)
    tries = taken.retry_count + 1
    return Unpublished(taken, ProductionStatus.PENDING, tries, REFUSED.pause(tries, fraction), reason)
