"""Order and dedup per key: which changes of a batch can be processed now. Pure: no I/O, no clock.

A version is the seq_num of the row, else the HLC or the LSN of the message; versions of two kinds are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams_app.changefeed import Change, RecordLike, Version, VersionKind
from streams_app.delivery.letters import REDRIVE
from streams_app.delivery.ports import Gap, Mark


@dataclass(slots=True)
class Sequenced:
    """Changes after the version check, each in one list.

    `passed` are to be processed, in order; `duplicates` were seen before; `held` wait for an earlier one;
    `repeated` are copies of what waits already; `behind` belong to a key whose earlier change is among the dead
    letters; `unordered` have no seq_num.
    `gaps` counts versions that skipped ahead.
    """

    passed: list[Change] = field(default_factory=list)
    duplicates: list[Change] = field(default_factory=list)
    held: list[Change] = field(default_factory=list)
    repeated: list[Change] = field(default_factory=list)
    behind: list[Change] = field(default_factory=list)
    unordered: list[Change] = field(default_factory=list)
    gaps: int = 0


class Marks(Protocol):
    """Reads the version table."""

    def get(self, key: str, partition: int) -> Mark | None:
        """What is remembered of `key`, whose records lie on `partition`."""
        ...


def sequence_newest(changes: Sequence[Change], marks: Marks) -> Sequenced:
    """Sort changes of which the newest of a key is enough.

    A change without a version passes: only the database can say whether it asks for something. A version at or
    below the highest seen is a duplicate. A seq_num that skips ahead passes and is counted as a gap.
    """
    result = Sequenced()
    highest: dict[str, Version] = {}
    for change in changes:
        version = change.version
        if version is None:
            result.passed.append(change)
            continue
        key = change.key
        before = highest.get(key)
        if before is None:
            mark = marks.get(key, change.partition)
            before = mark.version if mark is not None else None
        if before is not None and before.kind is version.kind:
            if version.major < before.major or (version.major == before.major and version.minor <= before.minor):
                result.duplicates.append(change)
                continue
            if version.kind is VersionKind.SEQ and version.major > before.major + 1:
                result.gaps += 1
        highest[key] = version
        result.passed.append(change)
    return result


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what waits for an earlier version: `records`, `size` in bytes; times in seconds.

    After `fill_after` the missing versions are asked of the log; after `give_up_after` the key is given up.
    """

    records: int = 10_000
    size: int = 16 * 1024 * 1024
    fill_after: float = 0.5
    give_up_after: float = 30.0


class _Waiting(NamedTuple):
    """A change that waits, its record, and since when (seconds)."""

    change: Change
    record: RecordLike
    since: float


@dataclass(slots=True)
class _Held:
    """What waits of one key, by seq_num; since when, and when the log is asked next (seconds)."""

    since: float
    ask_at: float
    after: int
    changes: dict[int, _Waiting] = field(default_factory=dict)


class Sequencer:
    """The reorder buffer of one route, for systems that need every change of a key, in sequence.

    `take` decides and holds, `done` lets go: in between the same changes may be taken again, with the same result.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: dict[str, _Held] = {}
        self._size = self._count = 0

    def take(
        self,
        changes: Sequence[Change],
        record_of: Callable[[Change], RecordLike],
        marks: Marks,
        heads: Mapping[str, int],
        now: float,
    ) -> Sequenced:
        """Sort changes. `heads` are what the database says; it is believed before the table.

        What was held passes with the change that it waited for.
        """
        result = Sequenced()
        reached: dict[str, int] = {}
        for change in changes:
            version = change.version
            if version is None or version.kind is not VersionKind.SEQ:
                result.unordered.append(change)
                continue
            key, number = change.key, version.major
            mark = marks.get(key, change.partition)
            before = reached.get(key)
            if before is None:
                before = heads.get(key, mark.version.major if mark is not None else 0)
            if number <= before:
                # One that was held and passed just now, with the change that it waited for, is no duplicate.
                if key not in reached or self.record_of(change) is None:
                    result.duplicates.append(change)
            elif mark is not None and _is_dead(mark, before) and not is_sent_again(record_of(change)):
                result.behind.append(change)
            elif number == before + 1:
                result.passed.append(change)
                reached[key] = self._release(key, number, result.passed)
            else:
                self._hold(change, number, before, record_of(change), now, result)
        return result

    def _release(self, key: str, number: int, passed: list[Change]) -> int:
        """Let what waited for `number` pass; returns the last number that passed."""
        held = self._held.get(key)
        while held is not None and number + 1 in held.changes:
            number += 1
            passed.append(held.changes[number].change)
        return number

    def _hold(
        self, change: Change, number: int, before: int, record: RecordLike, now: float, result: Sequenced
    ) -> None:
        held = self._held.get(change.key)
        if held is None:
            held = self._held[change.key] = _Held(now, now + self._limits.fill_after, before)
            result.gaps += 1
        held.after = before
        known = held.changes.get(number)
        if known is None:
            self._count += 1
        elif known.change is change:
            return
        elif known.record.offset >= 0 or record.offset < 0:
            result.repeated.append(change)
            return
        # A record of the topic takes the place of its copy from the log, which can be neither acked nor parked.
        self._size += size_of(record) - (size_of(known.record) if known is not None else 0)
        held.changes[number] = _Waiting(change, record, now if known is None else known.since)
        result.held.append(change)

    def done(self, changes: Collection[Change]) -> None:
        """Let go of changes that came to their end, and of copies of them."""
        touched: set[str] = set()
        for change in changes if self._held else ():
            held, number = self._held.get(change.key), sequence_number(change)
            known = held.changes.pop(number, None) if held is not None and number is not None else None
            if held is None or known is None:
                continue
            self._count -= 1
            self._size -= size_of(known.record)
            held.after = max(held.after, number or 0)
            touched.add(change.key)
        for key in touched:
            waiting = self._held[key].changes.values()
            if waiting:
                # The gap that is first now was not known before one of these came.
                self._held[key].since = min(known.since for known in waiting)
            else:
                del self._held[key]

    def gaps(self, now: float) -> list[Gap]:
        """What is to be looked up now, of the log and of the database; each key's gaps again after `fill_after`.

        A key's first gap is empty when what waits is next in turn: then only the database is asked.
        """
        found = []
        full = self._count > self._limits.records or self._size > self._limits.size
        for key, held in self._held.items():
            if full or held.ask_at <= now:
                held.ask_at = now + self._limits.fill_after
                after = held.after
                for number in sorted(held.changes):
                    if number > after + 1 or after == held.after:
                        found.append(Gap(key, after, number, held.changes[number].change))
                    after = number
        return found

    def given_up(self, now: float) -> list[str]:
        """The keys whose gap has not closed in time; when too much waits, the longest waiting ones, too."""
        oldest = sorted(self._held, key=lambda key: self._held[key].since)
        late = [key for key in oldest if self._held[key].since + self._limits.give_up_after <= now]
        count, size = self._count, self._size
        for key in oldest:
            if count <= self._limits.records and size <= self._limits.size:
                break
            waiting = self._held[key].changes.values()
            count -= len(waiting)
            size -= sum(size_of(known.record) for known in waiting)
            if key not in late:
                late.append(key)
        return late

    def held(self, keys: Collection[str] | None = None) -> list[tuple[Change, RecordLike]]:
        """What waits, each key's in order of its versions; `keys` None: all keys."""
        chosen = self._held if keys is None else [key for key in keys if key in self._held]
        return [known[:2] for key in chosen for _, known in sorted(self._held[key].changes.items())]

    def due(self, now: float) -> float | None:
        """Seconds until the log is to be asked or a key to be given up; None while nothing waits."""
        if not self._held:
            return None
        give_up = self._limits.give_up_after
        return max(0.0, min(min(held.ask_at, held.since + give_up) for held in self._held.values()) - now)

    def clear(self) -> None:
        """Forget everything: it is delivered again."""
        self._held.clear()
        self._size = self._count = 0

    def record_of(self, change: Change) -> RecordLike | None:
        """The record of a change that waits here."""
        held = self._held.get(change.key)
        number = sequence_number(change)
        known = held.changes.get(number) if held is not None and number is not None else None
        return known.record if known is not None and known.change is change else None

    def __len__(self) -> int:
        return self._count


def _is_dead(mark: Mark, reached: int) -> bool:
    """Whether some of what was set aside of a key is still missing after its change number `reached`."""
    return mark.dead is not None and reached < mark.dead.major


def is_sent_again(record: RecordLike) -> bool:
    """Whether the record goes in front of what is dead: sent again from the dead letters, or read from the log for one
    that was."""
    return record.offset < 0 or any(name == REDRIVE for name, _ in record.headers or ())


def size_of(record: RecordLike) -> int:
    """The bytes of a record that waits."""
    return len(record.value or b"") + len(record.key or b"")


def sequence_number(change: Change) -> int | None:
    """The change's seq_num, or None when the feed has none."""
    version = change.version
    return version.major if version is not None and version.kind is VersionKind.SEQ else None
