"""A system that needs every change of a key, in sequence, in memory: what the order is tested with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from streams_app.changefeed import Change, Record, RecordLike, Resolved, decode
from streams_app.delivery.letters import REDRIVE
from streams_app.delivery.ports import DeadLetter, Gap, Mark, Outcome, Rejection
from streams_app.delivery.sequencer import sequence_number
from streams_app.errors import RegionUnavailableError
from tests.unit.delivery.fakes import SPEC, record

ROUTE = "here"


class Marks:
    """A version table that keeps whole marks."""

    def __init__(self, marks: Mapping[str, Mark] | None = None) -> None:
        self.marks = dict(marks or {})

    def get(self, key: str, partition: int) -> Mark | None:
        return self.marks.get(key)

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        self.marks.update(marks)


class Ledger:
    """Handler, history and guarded database in one."""

    system = "ledger"

    def __init__(self) -> None:
        self.history = self
        #: What was applied, by key.
        self.log: dict[str, list[int]] = defaultdict(list)
        #: What the source's log can give, by key.
        self.source: dict[str, set[int]] = defaultdict(set)
        self.bad: set[tuple[str, int]] = set()
        self.broken: set[tuple[str, int]] = set()
        self.is_down = False
        self.asked: list[Gap] = []

    def decode(self, raw: RecordLike) -> Change | None:
        change = decode(raw, SPEC)
        return None if isinstance(change, Resolved) else change

    def route(self, change: Change) -> str:
        return ROUTE

    def ended(self, change: Change) -> bool:
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        self._answer()
        if any((change.key, sequence_number(change)) in self.broken for change in changes):
            raise ValueError("a rule divides by zero")
        rejected, refused, stale = [], [], []
        for change in changes:
            number, head = sequence_number(change), len(self.log[change.key])
            assert number is not None
            if (change.key, number) in self.bad:
                rejected.append(Rejection(change, "not_wanted"))
            elif number <= head:
                stale.append(change)
            elif number == head + 1:
                self.log[change.key].append(number)
            else:
                refused.append(change)
        return Outcome(rejected, refused, stale)

    async def heads(self, route: str, keys: Collection[str]) -> Mapping[str, int]:
        self._answer()
        return {key: len(self.log[key]) for key in keys if self.log[key]}

    async def between(self, route: str, gaps: Sequence[Gap]) -> Sequence[RecordLike]:
        self._answer()
        self.asked += gaps
        return [
            record(gap.key, number, -number)
            for gap in gaps
            for number in sorted(self.source[gap.key])
            if gap.after < number < gap.before
        ]

    def _answer(self) -> None:
        if self.is_down:
            raise RegionUnavailableError(ROUTE)


def redriven(letter: DeadLetter, offset: int) -> Record:
    """The record of a dead letter, sent again."""
    old = letter.record
    return Record(old.topic, old.partition, offset, old.key, old.value, ((REDRIVE, b"letter"),))
