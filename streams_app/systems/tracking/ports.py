"""What sends events to topics, as the tracking system sees it: the Kafka side implements it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to send. Records of one key reach their topic in the order in which they are given."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A record that its topic has, and where."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that its topic does not have. `permanent`: trying again would not help."""

    reason: str
    permanent: bool


class EventSender(Protocol):
    """Sends records."""

    async def send(self, events: Sequence[OutgoingRecord]) -> Sequence[Placed | Refused]:
        """Send `events`; the answers come in their order."""
        ...
