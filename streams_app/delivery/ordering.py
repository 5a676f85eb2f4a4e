"""The two orders a system may ask for: the newest change of a key is enough, or every change in sequence.

Each brings the changes of one route to their end and says what became of them; the caller stores dead letters, then
remembers the marks. Both may be called again with the same changes after a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TypeAlias

from streams_app.changefeed import Change, RecordLike, Undecodable
from streams_app.delivery.applying import apply_all
from streams_app.delivery.ports import DeadLetter, Gap, Handler, History, Mark, Outcome, Rejected, VersionTable
from streams_app.delivery.sequencer import Limits, Sequenced, Sequencer, sequence_newest, sequence_number
from streams_app.delivery.settlement import Course, Settled

logger = logging.getLogger(__name__)

RecordOf: TypeAlias = Callable[[Change], RecordLike]

# A change is refused again only while somebody else moves its key; each round one of them succeeds.
MAX_ROUNDS = 100


class TooManyRoundsError(RuntimeError):
    """Changes were refused again and again: something moves the same keys without end."""


def processed(passed: Sequence[Change], outcome: Outcome) -> list[Change]:
    """The changes that were applied, now or before."""
    if not (outcome.rejected or outcome.refused):
        return list(passed)
    others = {id(rejection.change) for rejection in outcome.rejected} | {id(change) for change in outcome.refused}
    return [change for change in passed if id(change) not in others]


def without(changes: Sequence[Change], some: Sequence[Change]) -> list[Change]:
    """`changes` without `some`, compared by identity."""
    gone = {id(change) for change in some}
    return [change for change in changes if id(change) not in gone] if gone else list(changes)


class NewestOrder:
    """For systems whose changes hold the whole state: what a newer one made superfluous may be passed over."""

    def __init__(self, route: str, handler: Handler, versions: VersionTable) -> None:
        self._route = route
        self._handler = handler
        self._versions = versions

    async def settle(self, changes: Sequence[Change], record_of: RecordOf) -> Settled:
        """Bring changes to their end. Raises RegionUnavailableError, FencedError, TooManyRoundsError."""
        settled = Settled()
        for _ in range(MAX_ROUNDS):
            taken = sequence_newest(changes, self._versions)
            outcome = await apply_all(self._handler, self._route, taken.passed)
            self._note(taken, outcome, record_of, settled)
            # A version that was made up hid the true ones of its key: they get their turn.
            rejected = {rejection.change.key for rejection in outcome.rejected}
            hidden = [change for change in taken.duplicates if change.key in rejected] if rejected else []
            settled.duplicates += without(taken.duplicates, hidden)
            changes = [*outcome.refused, *hidden]
            if not changes:
                return settled
        raise TooManyRoundsError(f"{len(changes)} changes are still refused after {MAX_ROUNDS} rounds")

    def _note(self, taken: Sequenced, outcome: Outcome, record_of: RecordOf, settled: Settled) -> None:
        done = processed(taken.passed, outcome)
        settled.applied += without(done, outcome.stale)
        settled.stale += outcome.stale
        settled.gaps += taken.gaps
        settled.letters += _letters(self._handler.system, outcome, record_of)
        # The last of each key, which has passed all the others: making a mark costs more than looking one up.
        last = {(change.partition, change.key): change for change in done if change.version is not None}
        for change in last.values():
            assert change.version is not None
            settled.mark(change, Mark(change.version, None, self._handler.ended(change)))

    #: How many changes wait: none, ever.
    waiting = 0

    def held(self) -> list[tuple[Change, RecordLike]]:
        """Nothing ever waits."""
        return []

    def due(self) -> float | None:
        """Nothing ever waits."""
        return None

    def clear(self) -> None:
        """Nothing is kept."""


class SequenceOrder:
    """For systems that need every change of a key, in sequence: what comes too early waits, gaps are filled."""

    def __init__(self, route: str, handler: Handler, history: History, versions: VersionTable, limits: Limits) -> None:
        self._route = route
        self._handler = handler
        self._history = history
        self._versions = versions
        self._sequencer = Sequencer(limits)

    async def settle(self, changes: Sequence[Change], record_of: RecordOf) -> Settled:
        """Bring changes to their end, or let them wait. Raises RegionUnavailableError, FencedError,
        TooManyRoundsError; then nothing is let go, and the same changes may come again."""
        course = Course(self._versions)
        await self._advance(changes, record_of, course)
        await self._fill(course)
        # Nothing fails from here on; what ended makes room before anything is given up for want of it.
        self._sequencer.done(course.ended)
        self._give_up(course)
        return course.settled

    async def _advance(self, changes: Sequence[Change], record_of: RecordOf, course: Course) -> None:
        # An old table may call a key dead that lives again.
        unknown = {change.key for change in changes if not course.is_alive(change)}
        await self._ask_heads(unknown - course.heads.keys(), course)

        def either(change: Change) -> RecordLike:
            # What waited passes with the batch that closes its gap: it is none of that batch's.
            return self._sequencer.record_of(change) or record_of(change)

        for _ in range(MAX_ROUNDS):
            taken = self._sequencer.take(changes, either, course, course.heads, monotonic())
            outcome = await apply_all(self._handler, self._route, taken.passed)
            hidden = self._note(taken, outcome, either, course)
            refused = [change for change in outcome.refused if id(change) not in course.ended_ids]
            await self._ask_heads({change.key for change in refused}, course)
            changes = [*refused, *hidden]
            if not changes:
                return
        raise TooManyRoundsError(f"{len(changes)} changes are still refused after {MAX_ROUNDS} rounds")

    async def _ask_heads(self, keys: set[str], course: Course) -> None:
        if keys:
            heads = await self._history.heads(self._route, keys)
            course.heads.update({key: heads.get(key, 0) for key in keys})

    def _note(self, taken: Sequenced, outcome: Outcome, record_of: RecordOf, course: Course) -> list[Change]:
        """Note what became of changes; returns those that a rejected one hid as if they were its copies."""
        settled, system = course.settled, self._handler.system
        rejected = _numbers([rejection.change for rejection in outcome.rejected])
        hidden = _behind(taken.duplicates, rejected)
        done, duplicates = processed(taken.passed, outcome), without(taken.duplicates, hidden)
        settled.applied += without(done, outcome.stale)
        settled.stale += outcome.stale
        settled.duplicates += [*duplicates, *taken.repeated]
        settled.held += taken.held
        settled.gaps += taken.gaps
        course.end(duplicates)
        for change in done:
            course.reached(change, self._handler.ended(change))
        settled.letters += _letters(system, outcome, record_of)
        for rejection in outcome.rejected:
            course.died(rejection.change)
        for change in taken.unordered:
            settled.letters.append(DeadLetter(system, record_of(change), "missing_version", "no seq_num"))
        waiting = [change for change, _ in self._sequencer.held(rejected)]
        behind = [*taken.behind, *_behind([*waiting, *outcome.refused], rejected)]
        self._bury_behind([(change, record_of(change)) for change in behind], course)
        return hidden

    def _bury_behind(self, behind: Iterable[tuple[Change, RecordLike]], course: Course) -> None:
        for change, record in behind:
            if id(change) in course.ended_ids:
                continue
            detail = "an earlier change of the key is among the dead letters"
            course.settled.letters.append(DeadLetter(self._handler.system, record, "behind_dead_letter", detail))
            course.died(change)

    async def _fill(self, course: Course) -> None:
        """Look up what is missing in the log, and whether it is there already; then go on with what waits."""
        gaps = self._sequencer.gaps(monotonic())
        if not gaps:
            return
        keys = {gap.key for gap in gaps}
        await self._ask_heads(keys, course)
        found = {id(change): (change, record) for change, record in self._decoded(await self._missing(gaps))}
        found |= {id(change): (change, record) for change, record in self._sequencer.held(keys)}
        await self._advance([change for change, _ in found.values()], lambda change: found[id(change)][1], course)

    async def _missing(self, gaps: Sequence[Gap]) -> Sequence[RecordLike]:
        wide = [gap for gap in gaps if gap.before > gap.after + 1]
        return await self._history.between(self._route, wide) if wide else ()

    def _decoded(self, records: Sequence[RecordLike]) -> Iterator[tuple[Change, RecordLike]]:
        for record in records:
            try:
                change = self._handler.decode(record)
            except (Undecodable, Rejected) as error:
                logger.warning("%s: the log's own record cannot be read: %s", self._handler.system, error)
                continue
            if change is not None:
                yield change, record

    def _give_up(self, course: Course) -> None:
        """Set aside what waited too long, the key's later changes behind it."""
        for key in self._sequencer.given_up(monotonic()):
            (first, record), *behind = self._sequencer.held([key])
            assert first.version is not None
            detail = f"waited for a seq_num before {first.version.major} that never came, and the log has none"
            logger.error("%s: gap of %s: %s", self._handler.system, key, detail)
            course.settled.letters.append(DeadLetter(self._handler.system, record, "gap", detail))
            course.died(first)
            self._bury_behind(behind, course)
            self._sequencer.done([first, *(change for change, _ in behind)])

    @property
    def waiting(self) -> int:
        """How many changes wait."""
        return len(self._sequencer)

    def held(self) -> list[tuple[Change, RecordLike]]:
        """What waits for an earlier change."""
        return self._sequencer.held()

    def due(self) -> float | None:
        """Seconds until `settle` wants to be called even without changes."""
        return self._sequencer.due(monotonic())

    def clear(self) -> None:
        """Forget what waits: it is delivered again, or stored elsewhere."""
        self._sequencer.clear()


def _numbers(changes: Sequence[Change]) -> dict[str, int]:
    """The lowest seq_num of each key."""
    numbers: dict[str, int] = {}
    for change in changes:
        number = sequence_number(change)
        if number is not None:
            numbers[change.key] = min(number, numbers.get(change.key, number))
    return numbers


def _behind(changes: Sequence[Change], rejected: Mapping[str, int]) -> list[Change]:
    """Those of changes that do not come before a rejected one of their key."""
    return [c for c in changes if c.key in rejected and (sequence_number(c) or 0) >= rejected[c.key]]


def _letters(system: str, outcome: Outcome, record_of: RecordOf) -> list[DeadLetter]:
    return [DeadLetter(system, record_of(r.change), r.reason, r.detail, r.stack) for r in outcome.rejected]
