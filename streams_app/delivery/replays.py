"""Where a replay begins: from what an operator asks to the offsets of each partition. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_MOST_PARTITIONS: Final = 100_000
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class ReplayError(ValueError):
    """A replay that cannot be: the message says why, for each partition concerned."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to begin: at an offset, or at the first record from `time` on; neither: at the beginning of the log."""

    offset: int | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One partition as it is: its first offset, the end that may be read, what the group has committed.

    `at_time` is the first offset whose record is not older than the target's time; None: every record is older.
    """

    topic: str
    partition: int
    low: int
    high: int
    committed: int | None
    at_time: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One partition of a plan: the group's next record is `current`, and will be `to`, which is not after it."""

    topic: str
    partition: int
    current: int
    to: int

    @property
    def records(self) -> int:
        """How many offsets are read again."""
        return self.current - self.to


def plan(places: Iterable[Place], target: Target) -> list[Move]:
    """What to move for `target`, one Move per partition; a replay never skips, so some stay where they are.

    Raises ReplayError when an offset that was asked for is outside the log, or ahead of what is done.
    """
    moves, wrong = [], []
    for place in places:
        current = _current(place)
        if target.offset is not None:
            to = target.offset
            if not place.low <= to <= place.high:
                wrong.append(f"{_name(place)}: offset {to} is outside the log, which has {place.low} to {place.high}")
                continue
            if to > current:
                wrong.append(f"{_name(place)}: offset {to} would skip {to - current} records that are not done")
                continue
        elif target.time is not None:
            to = current if place.at_time is None else min(current, place.at_time)
        else:
            to = place.low
        moves.append(Move(place.topic, place.partition, current, to))
    if wrong:
        raise ReplayError("\n".join(wrong))
    return moves


def duration(text: str) -> timedelta:
    """`text` such as 2h, 90m or 1d12h as a time span. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r}: expected days, hours, minutes or seconds, such as 2h, 90m or 1d12h")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def moment(text: str) -> datetime:
    """An ISO 8601 date or time; without a zone it is UTC. Raises ValueError."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r}: expected an ISO 8601 time, such as 2026-05-04T10:30:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def partition_numbers(text: str) -> frozenset[int]:
    """`text` such as 0,3-5 as numbers. Raises ValueError."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < _MOST_PARTITIONS):
            raise ValueError(f"{text!r}: expected partitions, such as 0,3-5")
        numbers.update(range(int(first), int(last) + 1))
    return frozenset(numbers)


def _current(place: Place) -> int:
    """The next record of the group: where nothing is committed, or no longer in the log, the group begins anew."""
    if place.committed is None or not place.low <= place.committed <= place.high:
        return place.low
    return place.committed


def _name(place: Place) -> str:
    return f"{place.topic}/{place.partition}"
