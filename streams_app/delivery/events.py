"""Events as the systems give and get them: what the tracked publisher takes, and how a consumed event is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streams_app.changefeed import Change

#: Headers of a published event.
EVENT_ID: Final = "event_id"
EVENT_TYPE: Final = "event_type"
SERVICE: Final = "service"
CORRELATION_ID: Final = "correlation_id"
OCCURRED_AT: Final = "occurred_at"  # epoch milliseconds

# Longer ones are no identities: columns and indexes hold them.
_MAX_ID: Final = 100


@dataclass(frozen=True, slots=True)
class Event:
    """An event to publish. Events of one key reach their topic in the order in which they were committed.

    `event_id` is its identity: given again, with the same payload, it is the same event. `payload` is JSON data.
    """

    topic: str
    event_type: str
    event_id: str
    payload: Any
    key: str | None = None
    correlation_id: str | None = None


class EventConflictError(ValueError):
    """An event's id stands for another payload already; the message names the ids."""


class EventPublisher(Protocol):
    """Writes events down in the caller's transaction: they are published if and only if it commits."""

    async def publish(self, region: str, events: Sequence[Event], transaction: Any) -> int:
        """Publish events from `region`; `transaction` is the caller's connection, inside its transaction.

        Returns how many are new. Raises EventConflictError and ValueError (an event that no topic would take).
        """
        ...


def event_id(change: Change) -> str:
    """The identity of a consumed event: its header, else `event_id` of its payload, else where it lies in its topic,
    which a redelivery does not change."""
    for name, value in change.headers:
        if name in (EVENT_ID, "id") and value and len(text := value.decode("utf-8", "replace")) <= _MAX_ID:
            return text.strip('"')
    named = (change.after or {}).get("event_id")
    if isinstance(named, str) and 0 < len(named) <= _MAX_ID:
        return named
    return f"{change.topic}-{change.partition}-{change.offset}"


def event_type(change: Change) -> str:
    """What kind of event it is: its header, else `event_type` of its payload, else what happened to which table."""
    named = _header(change, EVENT_TYPE) or (change.after or {}).get("event_type")
    if isinstance(named, str) and 0 < len(named) <= _MAX_ID:
        return named
    return f"{change.table or change.topic}.{change.op}"


def correlation_id(change: Change) -> str | None:
    """What the event belongs together with: its header, else `correlation_id` of its payload, else its key."""
    named = _header(change, CORRELATION_ID) or (change.after or {}).get("correlation_id") or change.key
    return named[:_MAX_ID] if isinstance(named, str) else None


def _header(change: Change, wanted: str) -> str | None:
    found = next((value for name, value in change.headers if name == wanted), None)
    return found.decode("utf-8", "replace") if found else None
