"""The simulation sees what it should: with any one guard taken out of the code, some early seed shows harm."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ports import Mark, Outcome
from streams_app.errors import FailureClass, classify
from streams_app.kafka.parking import TopicParkingLot
from streams_app.systems.requests.agents import RequestsHandler
from streams_app.systems.requests.orchestrator import Orchestrator
from tests.contract.memory_store import MemoryStore
from tests.simulation.mutated_lanes import AckAfterRevoke, AckBeforeCommit, AckOfBuffered
from tests.simulation.parts import Parts
from tests.simulation.proof import quiet
from tests.simulation.sequence import mutations
from tests.simulation.sequence.world import run as sequence_run
from tests.simulation.world import run

# Each is seen much earlier; a mutation that needs more would hardly be seen at all.
SEEDS = 1000
SEEDS_IN_SEQUENCE = 300


class NoHeadGuard(MemoryStore):
    """A head moves wherever it stands."""

    def _head_is_as_read(self, decision: Any) -> bool:
        return True


class NoAccountGuard(MemoryStore):
    """An account changes whatever its version."""

    def _account_is_as_read(self, decision: Any) -> bool:
        return True


class RememberBeforeCommit(BatchProcessor):
    """Versions count as seen before their effects are committed."""

    async def process(self, batch: Any) -> None:
        for change in batch.changes:
            if change.version is not None:
                await self._versions.remember(change.partition, {change.key: Mark(change.version)})
        await super().process(batch)


class UndecodableIsLost(BatchProcessor):
    """What cannot be decoded is passed over."""

    def decode(self, records: Any, earlier: Any = None) -> Any:
        batch = super().decode(records, earlier)
        batch.letters.clear()
        return batch


class RejectionIsLost(RequestsHandler):
    """What cannot be processed is passed over."""

    async def process(self, route: Any, changes: Any) -> Any:
        await super().process(route, changes)
        return Outcome()


class ParkedIsLost(TopicParkingLot):
    """Records of a region that is down are acked, and stored nowhere."""

    async def park(self, route: Any, records: Any) -> None:
        return None


class ParkedIsOvertaken(TopicParkingLot):
    """A partition that was just assigned counts as one where nothing is parked."""

    def holds(self, route: str) -> bool:
        return self._is_down(route) or any(
            lag for tp, lag in self._app.consumer.lag().items() if tp.topic == self._topics[route].name
        )


class GivesUp(Orchestrator):
    """A region that does not answer at once is passed over."""

    async def _round(self, region: Any, keys: Any, found: Any) -> Any:
        try:
            return await super()._round(region, keys, found)
        except Exception as error:
            if classify(error) is FailureClass.PERMANENT:
                raise
            return []


class AmbiguousIsDone(Orchestrator):
    """A commit whose answer was lost counts as made."""

    async def _round(self, region: Any, keys: Any, found: Any) -> Any:
        try:
            return await super()._round(region, keys, found)
        except Exception as error:
            if classify(error) is not FailureClass.AMBIGUOUS:
                raise
            return []


class RefusedIsDone(Orchestrator):
    """A decision that a guard refused is not made again."""

    async def _round(self, region: Any, keys: Any, found: Any) -> Any:
        await super()._round(region, keys, found)
        return []


MUTATIONS = {
    "no guard on the head": Parts(tables=NoHeadGuard),
    "no guard on the account": Parts(tables=NoAccountGuard),
    "ack before commit": Parts(lane=AckBeforeCommit),
    "ack of what was buffered": Parts(lane=AckOfBuffered),
    "ack after revoke": Parts(lane=AckAfterRevoke),
    "remember before commit": Parts(processor=RememberBeforeCommit),
    "undecodable records are lost": Parts(processor=UndecodableIsLost),
    "rejections are lost": Parts(handler=RejectionIsLost),
    "parked records are lost": Parts(parking=ParkedIsLost),
    "parked records are overtaken": Parts(parking=ParkedIsOvertaken),
    "transient failures are given up": Parts(orchestrator=GivesUp),
    "ambiguous commits are taken for made": Parts(orchestrator=AmbiguousIsDone),
    "refused decisions are dropped": Parts(orchestrator=RefusedIsDone),
}


@pytest.fixture(autouse=True)
def left_behind() -> Iterator[None]:
    with quiet():
        yield
    with warnings.catch_warnings():
        # What killed workers leave behind.
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


@pytest.mark.parametrize("parts", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_missing_guard_is_seen(parts):
    violation = first_violation(run, parts, SEEDS)
    assert violation is not None, f"not seen in {SEEDS} seeds"
    assert "Error" not in violation


@pytest.mark.parametrize("parts", mutations.MUTATIONS.values(), ids=mutations.MUTATIONS.keys())
def test_a_missing_guard_of_a_sequence_is_seen(parts):
    violation = first_violation(sequence_run, parts, SEEDS_IN_SEQUENCE)
    assert violation is not None, f"not seen in {SEEDS_IN_SEQUENCE} seeds"
    assert "Error" not in violation.replace("TooManyRoundsError", "")


@pytest.mark.parametrize("parts", mutations.SUFFICIENT.values(), ids=mutations.SUFFICIENT.keys())
def test_any_one_of_fence_guard_and_key_keeps_the_log_right(parts):
    assert first_violation(sequence_run, parts, SEEDS_IN_SEQUENCE) is None


def first_violation(world: Callable[..., Any], parts: Any, seeds: int) -> str | None:
    """The first violation of the first seed that has one."""
    for seed in range(seeds):
        result = world(seed, parts)
        if result.violations:
            print(f"seen at seed {seed}: {result.violations[0]}")
            return str(result.violations[0])
    return None
