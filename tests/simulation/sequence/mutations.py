"""Parts with one guard taken out, for worlds of every change in sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streams_app.changefeed import Change
from streams_app.databases.fences import Guarded, Place
from streams_app.delivery.ordering import SequenceOrder
from streams_app.delivery.ports import Mark, Outcome
from streams_app.delivery.sequencer import Sequenced, Sequencer
from tests.contract.memory_fences import MemoryFences
from tests.simulation.base import Simulation
from tests.simulation.mutated_lanes import AckAfterRevoke, AckBeforeCommit, AckOfBuffered
from tests.simulation.sequence.ledger import Ledger, LedgerHandler
from tests.simulation.sequence.parts import Parts
from tests.simulation.sequence.source import Chances, Entry


class NoHeadGuard(Ledger):
    """A row is written whatever its forerunner."""

    def _is_next(self, entry: Entry) -> bool:
        return True


class NoIdempotencyKey(Ledger):
    """A row is written whether it is there or not, only not too early."""

    def _is_there(self, entry: Entry) -> bool:
        return False

    def _is_next(self, entry: Entry) -> bool:
        return entry[1] <= self.heads.get(entry[0], 0) + 1


class NoPoison(Chances):
    """No rule fails for good: then nothing but the guard on the head would keep out what follows it in its batch."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation)
        self.poison = 0.0


class Unfenced(MemoryFences):
    """Lets everybody through."""

    def pass_fence(self, guarded: Guarded) -> dict[Place, int]:
        return {}


class NoFence(Ledger):
    """A zombie's transaction is let through."""

    def __init__(self, simulation: Simulation, region: str) -> None:
        super().__init__(simulation, region)
        self._fences = Unfenced(region)


class ZombiesMayWrite(NoFence):
    """The same, and only what they write counts."""

    def transaction(self, work: Callable[[], Any], guarded: Guarded | None) -> Any:
        self.on_transaction = lambda guarded: None
        return super().transaction(work, guarded)


class PrimaryKeyAlone(ZombiesMayWrite, NoHeadGuard):
    """Neither fence nor guard."""


class NoVersionCheck(Sequencer):
    """Everything passes."""

    def take(self, changes: Any, *_: Any) -> Sequenced:
        return Sequenced(passed=list(changes))


class GapPasses(Sequencer):
    """What is ahead of its turn passes."""

    def _hold(self, change: Change, number: int, before: int, record: Any, now: float, result: Sequenced) -> None:
        result.passed.append(change)
        result.gaps += 1


class DeadPasses(Sequencer):
    """What comes behind a dead letter passes, as if that had been applied."""

    def take(self, changes: Any, record_of: Any, marks: Any, heads: Any, now: float) -> Sequenced:
        class Passed:
            def get(self, key: str, partition: int) -> Mark | None:
                mark = marks.get(key, partition)
                return mark and Mark(mark.dead or mark.version)

        dead = {c.key for c in changes if (mark := marks.get(c.key, c.partition)) is not None and mark.dead is not None}
        alive = {key: head for key, head in heads.items() if key not in dead}
        return super().take(changes, record_of, Passed(), alive, now)


class HeldIsAcked(SequenceOrder):
    """What waits is not named."""

    def held(self) -> list[Any]:
        return []


class RefusedIsDropped(LedgerHandler):
    """What the guard refuses counts as applied."""

    async def process(self, route: str, changes: Any) -> Outcome:
        return replace(await super().process(route, changes), refused=())


class RejectedIsLost(SequenceOrder):
    """What fails for good, and what is behind it, is passed over."""

    async def settle(self, changes: Any, record_of: Any) -> Any:
        settled = await super().settle(changes, record_of)
        settled.letters.clear()
        return settled


# Where the order alone has to keep out what comes too early or again.
UNGUARDED = Parts(chances=NoPoison, ledger=NoHeadGuard)

MUTATIONS = {
    "no idempotency key": Parts(ledger=NoIdempotencyKey),
    "ack before commit": Parts(lane=AckBeforeCommit),
    "no version check": replace(UNGUARDED, sequencer=NoVersionCheck),
    "no version check, but a guard": Parts(sequencer=NoVersionCheck),
    "no guard on the head": Parts(ledger=NoHeadGuard),
    "no fence on revoke: in flight": Parts(lane=AckAfterRevoke),
    "no fence on revoke: buffered": Parts(lane=AckOfBuffered),
    "no fence": Parts(ledger=NoFence),
    "held records are acked": Parts(order=HeldIsAcked),
    "gap passes": replace(UNGUARDED, sequencer=GapPasses),
    "gap passes, but a guard": Parts(sequencer=GapPasses),
    "dead key's later changes pass": replace(UNGUARDED, sequencer=DeadPasses),
    "dead key's later changes pass, but a guard": Parts(sequencer=DeadPasses),
    "refused is dropped": Parts(handler=RefusedIsDropped),
    "dead letters are lost": Parts(order=RejectedIsLost),
}

# Any one of fence, guard and primary key keeps the log right: whoever writes, writes in sequence from a head that was
# true. What the fence itself promises is checked for each transaction, see "no fence" above.
SUFFICIENT = {
    "guard without fence": Parts(ledger=ZombiesMayWrite),
    "fence without guard": UNGUARDED,
    "primary key alone": Parts(chances=NoPoison, ledger=PrimaryKeyAlone),
}
