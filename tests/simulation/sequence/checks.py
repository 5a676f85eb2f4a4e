"""What must hold: at every row that is written, at every commit of offsets, and at the end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import orjson
from faust.types import TP

from streams_app.databases.fences import Guarded
from streams_app.delivery.ports import DeadLetter
from tests.simulation.sequence.ledger import Row
from tests.simulation.sequence.source import Entry, Fate

if TYPE_CHECKING:
    from tests.simulation.sequence.world import World


class Checks:
    """The eyes on one world. They look at its ledgers and topics, never into a worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._violated = world.simulation.violated
        self._written: dict[str, int] = defaultdict(int)
        self._generations: dict[tuple[str, tuple[str, int]], int] = defaultdict(int)
        self._seen_letters = 0
        #: By change, and by the place of what could not be read: how many letters there were after its last one.
        self._buried: dict[Entry, int] = {}
        self._buried_places: set[tuple[TP, int]] = set()

    def row(self, row: Row) -> None:
        """Called for every row: the next of its key, as the source wrote it."""
        key, number, payload = row
        if number != self._written[key] + 1:
            self._violated(f"{key}: {number} is written after {self._written[key]}")
        if self._world.source_of(key).fates[key][number - 1].payload != payload:
            self._violated(f"{key}: {number} is not what the source wrote")
        self._written[key] = max(number, self._written[key])

    def transaction(self, region: str, guarded: Guarded | None) -> None:
        """Called for every transaction: nobody writes for a partition after somebody of a later generation did."""
        if guarded is None:
            self._violated(f"{region}: a transaction in nobody's name")
            return
        generation = guarded.fence.generation
        for place in guarded.places:
            if generation < self._generations[region, place]:
                self._violated(f"{region}: {place} is written by generation {generation} after a later one")
            self._generations[region, place] = generation

    def commit(self, tp: TP, old: int, new: int) -> None:
        """Called for every accepted commit: nothing below it may still wait."""
        if not old <= new <= len(self._world.broker.logs[tp]):
            self._violated(f"{tp.topic}/{tp.partition}: committed {new} after {old}")
        self._read_letters()
        for offset in range(old, new):
            undone = self._undone(tp, offset)
            if undone:
                self._violated(f"{tp.topic}/{tp.partition}@{offset} is committed, but {undone}")

    def _undone(self, tp: TP, offset: int) -> str | None:
        broker = self._world.broker
        original = broker.original.get((tp, offset), (tp, offset))
        entry: Entry | None = broker.change_of[original]
        if entry is None:
            return None if original in self._buried_places else "it is bad and no dead letter"
        if entry[1] <= self._world.ledger_of(entry[0]).heads.get(entry[0], 0):
            return None
        if original == (tp, offset) and broker.last_parked.get(entry, -1) > broker.order[original]:
            return None  # what must hold for it must hold when the parked one is committed
        if self._buried.get(entry, -1) > broker.letters_before[original]:
            return None
        return f"{entry} is neither applied nor set aside since it came"

    def _read_letters(self) -> None:
        letters = self._world.broker.dead_letters
        for number, letter in enumerate(letters[self._seen_letters :], self._seen_letters):
            entry = self._entry(letter)
            if entry is None:
                self._buried_places.add((TP(letter.record.topic, letter.record.partition), letter.record.offset))
            else:
                self._buried[entry] = number + 1
                self._must_be(entry, letter.reason)
        self._seen_letters = len(letters)

    def _entry(self, letter: DeadLetter) -> Entry | None:
        if letter.reason == "not_json":
            return None
        row = orjson.loads(letter.record.value or b"")["after"]
        return row["account"], row["entry"]

    def _must_be(self, entry: Entry, reason: str) -> None:
        """Whether a change had to be set aside for that reason."""
        self._world.simulation.note(f"dead_{reason}", entry)
        key, number = entry
        before = [(key, n) for n in range(1, number)]
        missing = self._world.chances.tight or any(self.fate(other).may_be_missed for other in before)
        poisoned = self._world.source_of(key).poisoned
        had_to = {
            "processing_failed": entry in poisoned,
            "gap": missing or not poisoned.isdisjoint(before),
            "behind_dead_letter": missing
            or self.fate(entry).may_be_missed
            or not poisoned.isdisjoint([*before, entry]),
        }
        if not had_to.get(reason):
            self._violated(f"{entry} is dead for {reason}: it need not be")

    def fate(self, entry: Entry) -> Fate:
        """What the source and its feed do with a change."""
        return self._world.source_of(entry[0]).fates[entry[0]][entry[1] - 1]

    def buried_by_key(self) -> dict[str, set[int]]:
        """The numbers of the dead changes of each key."""
        self._read_letters()
        found: dict[str, set[int]] = defaultdict(set)
        for key, number in self._buried:
            found[key].add(number)
        return found

    def is_short(self, key: str) -> bool:
        """Whether the key's log lacks changes that could be there."""
        return self._world.ledger_of(key).heads.get(key, 0) < self._reachable(key)

    def _reachable(self, key: str) -> int:
        """The last number up to which every change has been sent, or can be read in the log for a later one."""
        sent = {number for other, number in self._world.source_of(key).sent if other == key}
        last = max(sent, default=0)
        lost = (n for n in range(1, last + 1) if n not in sent and not self.fate((key, n)).logged)
        return next(lost, last + 1) - 1

    def end(self) -> None:
        """Each key's log is the source's, up to where it had to end."""
        for tp, log in self._world.broker.logs.items():
            self.commit(tp, 0, len(log))
        dead = self.buried_by_key()
        for source in self._world.sources.values():
            for key in source.fates:
                head = self._world.ledger_of(key).heads.get(key, 0)
                numbers = [number for other, number, _ in self._world.ledger_of(key).rows if other == key]
                if numbers != list(range(1, head + 1)):
                    self._violated(f"{key}: the log is {numbers}")
                self._end_of(key, head, dead.get(key, set()))
        self._world.simulation.note("dead_letters", count=len(self._world.broker.dead_letters))
        self._nothing_in_memory()

    def _end_of(self, key: str, head: int, dead: set[int]) -> None:
        reachable = self._reachable(key)
        if head > reachable:
            self._violated(f"{key}: ends at {head}, the source at {reachable}")
        elif head < reachable and key not in self._world.operator.dropped:
            self._violated(f"{key}: ends at {head}, not at {reachable}")
        elif head < reachable and not any(number > head for number in dead):
            self._violated(f"{key}: ends at {head}, not at {reachable}, and nothing is dead")

    def _nothing_in_memory(self) -> None:
        for worker in self._world.running():
            if any(processor.held() for processor in worker.processors):
                self._violated(f"{worker.name}: something waits in memory")
