"""Events as the systems give and get them: what the tracked publisher takes, and how a consumed event is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

import orjson

from streams_app.changefeed.change import Headers
from streams_app.delivery.ports import Mark

#: Headers of a published event.
EVENT_ID: Final = "event_id"
EVENT_TYPE: Final = "event_type"
SERVICE: Final = "service"
CORRELATION_ID: Final = "correlation_id"
OCCURRED_AT: Final = "occurred_at"  # epoch milliseconds

# Longer ones are no identities: columns and indexes hold them.
_LONGEST: Final = 100


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


def event_id(headers: Headers, data: Any, place: tuple[str, int, int]) -> str:
    """The identity of a consumed event: its header, else `event_id` of its payload, else its topic, partition and
    offset, which a redelivery does not change."""
    for name, value in headers:
        if name in (EVENT_ID, "id") and value and (text := _text(value)):
            return text
    return _named(data, "event_id") or "-".join(map(str, place))


def event_type(headers: Headers, data: Any) -> str:
    """What kind of event it is: its header, else `event_type` of its payload, else unknown."""
    return _header(headers, EVENT_TYPE) or _named(data, "event_type") or "unknown"


def correlation_id(headers: Headers, data: Any) -> str | None:
    """What the event belongs together with: its header, else `correlation_id` of its payload."""
    return _header(headers, CORRELATION_ID) or _named(data, "correlation_id")


def digest(data: Any) -> str:
    """Tells a repetition of an event from another event of its id: the same for the same JSON data, in whatever order
    and spacing it was written."""
    return blake2b(orjson.dumps(data, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class NoVersions:
    """A version table for events: they are known by their ids, which the databases remember."""

    def get(self, key: str, partition: int) -> Mark | None:
        """Nothing."""
        return None

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        """Nothing to do."""


def _header(headers: Headers, wanted: str) -> str | None:
    value = next((value for name, value in headers if name == wanted), None)
    return _text(value) if value else None


def _named(data: Any, name: str) -> str | None:
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and "\0" not in value else None


def _text(value: bytes) -> str | None:
    """A word, as text or as a JSON string (Debezium's converters); None for what is none."""
    try:
        text = value.decode().strip('"')
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= _LONGEST and "\0" not in text else None
