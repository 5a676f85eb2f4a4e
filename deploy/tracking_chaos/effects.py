"""What consumers did, against what writers committed: each event once for each group, in the order of its key. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# By key, the events in the order of their numbers, or of their effects.
ByKey = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Effects:
    """Events without an effect, effects beyond the first of their event, events whose effect came after that of a later
    one of their key, and effects of events that were never committed."""

    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    undone: int = 0

    def __add__(self, other: Effects) -> Effects:
        return Effects(
            self.lost + other.lost,
            self.duplicated + other.duplicated,
            self.out_of_order + other.out_of_order,
            self.undone + other.undone,
        )


def compare(facts: ByKey, effects: ByKey) -> Effects:
    """The effects of one group."""
    total = Effects()
    for key in facts.keys() | effects.keys():
        total += _of_key(facts.get(key, ()), effects.get(key, ()))
    return total


def _of_key(written: Sequence[str], done: Sequence[str]) -> Effects:
    number = {event: place for place, event in enumerate(written)}
    times = Counter(done)
    first = [number[event] for event in dict.fromkeys(done) if event in number]
    highest, late = -1, 0
    for place in first:
        late += place < highest
        highest = max(highest, place)
    return Effects(
        lost=sum(event not in times for event in written),
        duplicated=sum(count - 1 for count in times.values()),
        out_of_order=late,
        undone=sum(event not in number for event in times),
    )


def by_key(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Rows of key and event, in their order, by key."""
    found: dict[str, list[str]] = {}
    for key, event in rows:
        found.setdefault(key, []).append(event)
    return found
