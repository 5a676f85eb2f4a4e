"""What a topic holds against what the production logs say of it: one partition at a time, over plain data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams_app.systems.tracking.verify_checks import EVENTS_ARE_ON_THEIR_TOPIC, TOPICS_ARE_IN_ORDER
from streams_app.verification import Check, Violation


@dataclass(frozen=True, slots=True)
class Produced:
    """An event of a production log. `offset` is None unless it was published. `excepted`: given up once, so that
    its place in the order of its key is lost."""

    region: str
    id: int
    event_id: str
    event_key: str | None
    offset: int | None
    excepted: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A record of a topic that bears an event's id. `timestamp` is in milliseconds."""

    offset: int
    event_id: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The offsets that a partition still has: from `low` to before `high`."""

    low: int
    high: int


class Topics(Protocol):
    """Topics to read, without a group."""

    async def kept(self, topic: str) -> Mapping[int, Kept]:
        """What each partition of the topic holds now; empty when there is no such topic."""
        ...

    def seen(self, topic: str, partition: int, kept: Kept) -> AsyncIterator[Seen]:
        """The tracked events of a partition, in the order of their offsets."""
        ...


@dataclass(slots=True)
class Compared:
    """What became of one partition, or of several. `strangers` are records of events that have no row among those that
    they were compared with; `repeated` counts records beyond the first of their event, `removed` events whose record
    is so old that the topic has it no more."""

    violations: list[tuple[Check, Violation]] = field(default_factory=list)
    strangers: list[Seen] = field(default_factory=list)
    records: int = 0
    repeated: int = 0
    removed: int = 0


def compare(where: str, rows: Sequence[Produced], seen: Iterable[Seen], kept: Kept) -> Compared:
    """Compare the records of a partition with the events published to it, and with those of the topic that were not.

    `where` names the partition in violations.
    """
    found = Compared()
    event_at: dict[int, str] = {}
    first: dict[str, int] = {}
    known = {row.event_id for row in rows}
    for record in seen:
        found.records += 1
        event_at[record.offset] = record.event_id
        if record.event_id not in known:
            found.strangers.append(record)
        elif first.setdefault(record.event_id, record.offset) != record.offset:
            found.repeated += 1
    _places(where, rows, event_at, kept, found)
    _order(where, rows, first, kept, found)
    return found


def _places(where: str, rows: Sequence[Produced], event_at: Mapping[int, str], kept: Kept, found: Compared) -> None:
    for row in rows:
        if row.offset is None:
            continue
        if row.offset < kept.low:
            found.removed += 1
        elif event_at.get(row.offset) != row.event_id:
            there = f"event {event_at[row.offset]}" if row.offset in event_at else "no event"
            offender = f"event {row.event_id} at {where} offset {row.offset}, where {there} is"
            found.violations.append((EVENTS_ARE_ON_THEIR_TOPIC, Violation(row.region, offender)))


def _order(where: str, rows: Sequence[Produced], first: Mapping[str, int], kept: Kept, found: Compared) -> None:
    """Per region and key, in the order in which the events first appear, ids must rise."""
    # Of an event whose place was removed, what is left may be a repetition.
    standing = (row for row in rows if row.event_id in first and not (row.offset is not None and row.offset < kept.low))
    highest: dict[tuple[str, str], int] = {}
    for row in sorted(standing, key=lambda row: first[row.event_id]):
        if row.event_key is None or row.excepted:
            continue
        before = highest.get((row.region, row.event_key), row.id)
        if row.id < before:
            offender = f"event {row.event_id} of key {row.event_key} first at {where} offset {first[row.event_id]}"
            found.violations.append((TOPICS_ARE_IN_ORDER, Violation(row.region, offender)))
        highest[row.region, row.event_key] = max(before, row.id)
