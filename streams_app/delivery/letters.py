"""Dead letters as an operator sees them: what each says, what became of it, and what may be sent again in which order.

A letter is never changed or deleted: what people do with it is a trail of audit entries beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from streams_app.changefeed import Record
from streams_app.changefeed.change import Headers
from streams_app.changefeed.partitions import fnv1a_partition, murmur2_partition
from streams_app.delivery.audits import Action, Audit

# Header names that begin so are ours; what a sender puts there is not believed.
PREFIX: Final = "dead-letter-"
ATTEMPTS: Final = "dead-letter-attempts"
REDRIVE: Final = "dead-letter-redrive"


class State(StrEnum):
    """What became of a letter."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    DROPPED = "dropped"


_STATE_AFTER = {Action.REDRIVE: State.REDRIVEN, Action.DROP: State.DROPPED}


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that was set aside: its bytes and headers, where it lay, why, and when that was written down.

    `attempts` counts how often the record was tried; `redrive_of` is the letter it was before its last redrive.
    """

    id: str
    system: str
    reason: str
    detail: str
    stack: str
    topic: str
    partition: int
    offset: int
    attempts: int
    redrive_of: str | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    written: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A letter with its audit trail, oldest entry first."""

    letter: Letter
    trail: tuple[Audit, ...] = ()

    @property
    def state(self) -> State:
        """What became of the letter: the last redrive or drop says it."""
        return next(
            (_STATE_AFTER[entry.action] for entry in reversed(self.trail) if entry.action in _STATE_AFTER),
            State.WAITING,
        )

    @property
    def key(self) -> bytes | None:
        """The key to send: the last corrected one, else the letter's."""
        return next((entry.key for entry in reversed(self.trail) if entry.key is not None), self.letter.key)

    @property
    def value(self) -> bytes | None:
        """The value to send: the last corrected one, else the letter's."""
        return next((entry.value for entry in reversed(self.trail) if entry.value is not None), self.letter.value)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant; an empty field asks for nothing. `key` is a key as `shown` shows it; `since` and `until`
    bound when the letter was written, the latter exclusively."""

    ids: frozenset[str] = frozenset()
    key: str | None = None
    reason: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: frozenset[State] = frozenset()

    def fits(self, case: Case) -> bool:
        """Whether the case is one of those meant."""
        letter = case.letter
        return (
            (not self.ids or letter.id in self.ids)
            and (self.key is None or self.key in (shown(letter.key), shown(case.key)))
            and self.reason in (None, letter.reason)
            and self.topic in (None, letter.topic)
            and (self.since is None or letter.written >= self.since)
            and (self.until is None or letter.written < self.until)
            and (not self.states or case.state in self.states)
        )


class OutOfOrderError(ValueError):
    """A redrive would let a record overtake an earlier one of its key; the message names both letters."""


def letter_id(topic: str, partition: int, offset: int) -> str:
    """The name of a dead letter: where its record lay."""
    return f"{topic}-{partition}-{offset}"


def attempts_of(headers: Headers) -> int:
    """How often a record has been tried when it is read: 1 unless a redrive says more."""
    text = next((value for name, value in headers if name == ATTEMPTS), None)
    return int(text) if text is not None and text.isdigit() and len(text) <= 6 else 1


def letter_of(record: Record) -> Letter | None:
    """The letter in a record of the dead-letter topic, or None when it is none of ours."""
    own: dict[str, str] = {}
    for name, value in record.headers:
        # Ours come first: a header of the record itself cannot take their place.
        own.setdefault(name, _printable((value or b"").decode("utf-8", "replace")))
    topic, place = own.get("dead-letter-topic"), (own.get("dead-letter-partition"), own.get("dead-letter-offset"))
    if topic is None or not all(text is not None and text.isdecimal() for text in place):
        return None
    partition, offset = (int(text or 0) for text in place)
    return Letter(
        id=letter_id(topic, partition, offset),
        system=own.get("dead-letter-system", ""),
        reason=own.get("dead-letter-reason", ""),
        detail=own.get("dead-letter-detail", ""),
        stack=own.get("dead-letter-stack", ""),
        topic=topic,
        partition=partition,
        offset=offset,
        attempts=attempts_of(record.headers),
        redrive_of=own.get(REDRIVE),
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX)),
        written=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )


def cases(letters: Iterable[Letter], trail: Iterable[Audit]) -> dict[str, Case]:
    """All letters by id, in the order of their origin. One that was written twice, after a crash, is one letter."""
    first: dict[str, Letter] = {}
    for letter in letters:
        known = first.get(letter.id)
        if known is None or letter.written < known.written:
            first[letter.id] = letter
    entries: dict[str, list[Audit]] = {}
    for entry in trail:
        entries.setdefault(entry.letter, []).append(entry)
    ordered = sorted(first.values(), key=lambda letter: _origin(letter, first))
    return {letter.id: Case(letter, tuple(entries.get(letter.id, ()))) for letter in ordered}


def redrive_order(known: Mapping[str, Case], chosen: Collection[str], *, force: bool = False) -> list[Case]:
    """The chosen letters in the order in which they are sent: that of their origin.

    Raises OutOfOrderError, unless `force`, when an earlier letter of the same topic and key waits and is not chosen.
    """
    waiting: dict[tuple[str, bytes], Case] = {}
    plan: list[Case] = []
    for case in known.values():  # in the order of origin
        own = None if not case.key else (case.letter.topic, case.key)
        if case.letter.id in chosen:
            earlier = waiting.get(own) if own is not None else None
            if earlier is not None and not force:
                raise OutOfOrderError(
                    f"{case.letter.id} comes after {earlier.letter.id} ({earlier.letter.reason}), which waits and has "
                    f"the same key {shown(case.key)}: redrive or drop that one too, or use --force"
                )
            plan.append(case)
        elif own is not None and case.state is State.WAITING:
            waiting.setdefault(own, case)
    return plan


def target_partition(case: Case, partitions: int) -> int:
    """Where the record goes: back to its partition; with another key, to that key's, hashed as its source hashes."""
    letter = case.letter
    if case.key == letter.key and letter.partition < partitions:
        return letter.partition
    if not case.key:
        return letter.partition % partitions
    hashed_by_cockroachdb = letter.key and letter.partition == fnv1a_partition(letter.key, partitions)
    if hashed_by_cockroachdb and letter.partition != murmur2_partition(letter.key or b"", partitions):
        return fnv1a_partition(case.key, partitions)
    return murmur2_partition(case.key, partitions)


def redriven_headers(letter: Letter) -> list[tuple[str, bytes | None]]:
    """The record's own headers, and which letter it was and how often it will have been tried."""
    again = (REDRIVE, letter.id.encode()), (ATTEMPTS, str(letter.attempts + 1).encode())
    return [*letter.headers, *again]


def shown(data: bytes | None) -> str:
    """Bytes as text that is safe to print: as they are when they are printable UTF-8, else in hexadecimal."""
    if data is None:
        return "(none)"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
    return text if _printable(text) == text else f"0x{data.hex()}"


def _printable(text: str) -> str:
    """`text` without characters that a terminal might obey."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def _origin(letter: Letter, known: Mapping[str, Letter]) -> tuple[str, int, int, int]:
    """Where the record lay before its first redrive: what died again keeps its place in the order of its key."""
    first, seen = letter, {letter.id}
    while (earlier := known.get(first.redrive_of or "")) is not None and earlier.id not in seen:
        seen.add(earlier.id)
        first = earlier
    return first.topic, first.partition, first.offset, len(seen)
