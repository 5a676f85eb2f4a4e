"""Where the marks of one partition are kept: in memory here; `disk.py` has the same on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams_app.changefeed import RecordLike
from streams_app.delivery.ports import Mark
from streams_app.kafka.marks import VOID_KEY, BadMarkError, Packed, decode, decode_key, has_ended, pack, unpack


@dataclass(slots=True)
class Place:
    """How far into the changelog a partition goes: it includes every record before `offset`.

    The last of them is at `last_offset`, and `stamp` tells it from a record that another topic of the same name has
    there.
    """

    offset: int = 0
    last_offset: int = -1
    stamp: bytes = b""

    def pass_records(self, offset: int, count: int, timestamp: int | None, key: bytes | None) -> None:
        """Go past `count` records from `offset` on, of which the last has this timestamp and key."""
        self.last_offset = offset + count - 1
        self.offset = offset + count
        self.stamp = stamp(timestamp, key)


def stamp(timestamp: int | None, key: bytes | None) -> bytes:
    """What tells a record from others at its offset."""
    return b"%d %b" % (timestamp or 0, key or b"")


@dataclass(slots=True)
class Skipped:
    """Records that no worker wrote: how many, and what is wrong with the first."""

    count: int = 0
    first: str = ""

    def add(self, record: RecordLike, error: BadMarkError) -> None:
        """Count a record."""
        self.count += 1
        self.first = self.first or f"{record.topic}/{record.partition} at {record.offset}: {error}"


class Partition(Protocol):
    """The marks of one partition."""

    place: Place
    #: Whether the changelog must first be shown to be the one that the marks came from.
    unverified: bool

    def get(self, key: str) -> Mark | None:
        """What is remembered of `key`."""
        ...

    def put(self, marks: Mapping[str, Mark], now: int) -> None:
        """Remember `marks`; `now` is in seconds since 1970."""
        ...

    def apply(self, records: Sequence[RecordLike], skipped: Skipped) -> None:
        """Go on from `place` with records of the changelog."""
        ...

    def forget(self, before: int, most: int) -> list[str]:
        """Forget up to `most` keys that ended before a time, or became void; returns them."""
        ...

    def clear(self) -> None:
        """Forget everything; `place` is the beginning again."""
        ...

    def close(self) -> None:
        """Let go of what the partition uses."""
        ...

    def __len__(self) -> int: ...


class Partitions(Protocol):
    """Makes the partitions of one table."""

    def open(self, partition: int) -> Partition:
        """A partition as it was left on this machine, or an empty one."""
        ...

    def release(self) -> None:
        """All partitions are closed: let go of what they shared."""
        ...

    def delete(self) -> None:
        """Delete what is kept on this machine."""
        ...


class MemoryPartitions:
    """Partitions that begin empty."""

    def __init__(self, width: int) -> None:
        """Keys that end within `width` seconds are forgotten together."""
        self._width = width

    def open(self, partition: int) -> MemoryPartition:
        """An empty partition."""
        return MemoryPartition(self._width)

    def release(self) -> None:
        """Nothing is shared."""

    def delete(self) -> None:
        """Nothing is kept."""


class MemoryPartition:
    """Marks in a dictionary: about 125 bytes for a key of 36 characters, 130 once it has ended."""

    def __init__(self, width: int) -> None:
        """Keys that end within `width` seconds are forgotten together."""
        self.place = Place()
        self.unverified = False
        self._width = width
        self._marks: dict[str, Packed] = {}
        # By the time of ending, rounded up: a list of keys takes a tenth of what a pair for each key would.
        self._ended: deque[tuple[int, list[str]]] = deque()
        # Keys that are no longer here, but have a mark in the changelog.
        self._void: set[str] = set()

    def get(self, key: str) -> Mark | None:
        """What is remembered of `key`."""
        packed = self._marks.get(key)
        return None if packed is None else unpack(packed)

    def put(self, marks: Mapping[str, Mark], now: int) -> None:
        """Remember `marks`; `now` is in seconds since 1970."""
        for key, mark in marks.items():
            if mark.ended:
                self._end(key, now)
            self._marks[key] = pack(mark)

    def apply(self, records: Sequence[RecordLike], skipped: Skipped) -> None:
        """Go on from `place` with records of the changelog."""
        marks = self._marks
        for record in records:
            try:
                if record.key == VOID_KEY:
                    self._void.update(marks)
                    marks.clear()
                    self._ended.clear()
                elif record.value is None:
                    key = decode_key(record.key)
                    marks.pop(key, None)
                    self._void.discard(key)
                else:
                    key = decode_key(record.key)
                    packed, ended = decode(record.value)
                    if ended is not None:
                        self._end(key, ended)
                    marks[key] = packed
            except BadMarkError as error:
                skipped.add(record, error)
        if records:
            self.place.pass_records(records[-1].offset, 1, records[-1].timestamp, records[-1].key)

    def forget(self, before: int, most: int) -> list[str]:
        """Forget up to `most` keys that ended before a time, or became void; returns them."""
        gone: list[str] = []
        while self._void and len(gone) < most:
            key = self._void.pop()
            if key not in self._marks:
                gone.append(key)
        while self._ended and self._ended[0][0] <= before and len(gone) < most:
            keys = self._ended[0][1]
            while keys and len(gone) < most:
                key = keys.pop()
                # One that went on after its end stays.
                if has_ended(self._marks.get(key, 0)):
                    del self._marks[key]
                    gone.append(key)
            if not keys:
                self._ended.popleft()
        return gone

    def clear(self) -> None:
        """Forget everything; `place` is the beginning again."""
        self._marks.clear()
        self._ended.clear()
        self._void.clear()
        self.place = Place()

    def close(self) -> None:
        """Nothing to let go of."""

    def __len__(self) -> int:
        return len(self._marks)

    def _end(self, key: str, at: int) -> None:
        # The dictionary then holds this very string, and not an equal one beside it.
        self._marks.pop(key, None)
        label = at - at % self._width + self._width
        if self._ended and label <= self._ended[-1][0]:
            self._ended[-1][1].append(key)
        else:
            self._ended.append((label, [key]))
