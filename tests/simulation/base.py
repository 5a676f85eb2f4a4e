"""What every part of one simulated world shares: the seed's random numbers, the clock, the tally, the trace."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.simulation.loop import PROCESS, Process, VirtualLoop

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)


class Chances:
    """What goes wrong in a world, and how often: each kind of fault is on in about half of the worlds."""

    def __init__(self, rng: Random) -> None:
        def some(chance: float) -> float:
            return chance * rng.random() if rng.random() < 0.5 else 0.0

        #: Of a statement: an error before it, a connection lost after or before it took effect, seconds of waiting.
        self.transient = some(0.2)
        self.ambiguous = some(0.2)
        self.slow = some(0.1)
        #: Of storing a dead letter or a parked record: an error, before or after it was stored.
        self.storing = some(0.15)
        #: Of a changefeed, for each change: sent again later, or a restart that sends the last ones again.
        self.repeat = some(0.4)
        self.restart = some(0.15)
        #: Per world: how many times each of these happens.
        self.kills = int(some(5))
        self.pauses = int(some(5))
        self.scalings = int(some(5))
        self.outages = int(some(4))
        self.histories = int(some(2.5))
        #: Of a table that is rebuilt: nothing, or only a beginning of its changelog, is there.
        self.table_loss = some(0.8)
        #: Seconds, at most, until the first answer about a partition that a worker got.
        self.first_answer = 0.5 if rng.random() < 0.4 else 0.0
        self.bad_records = int(some(6))
        self.poison = rng.random() < 0.25
        self.sweeping_from_start = rng.random() < 0.3
        #: Deadlines so short that timeouts race with signals.
        self.tight = rng.random() < 0.15
        self.cockroachdb = rng.random() < 0.5
        #: CockroachDB's new requests as keys alone.
        self.key_only = rng.random() < 0.5
        #: Of an agent, by each worker: batches in flight.
        self.lanes = rng.randint(1, 2)


class Simulation:
    """One seed: its loop, random numbers and chances; what happened is counted, and told when asked for."""

    def __init__(self, seed: int, verbose: bool = False) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.loop = VirtualLoop(self.rng)
        self.chances = Chances(self.rng)
        self.healed = False
        self.tally: Counter[str] = Counter()
        self.trace: list[str] | None = [] if verbose else None
        self.violations: list[str] = []
        #: Requests that were left to a later sweep, because an account of another region could not be read.
        self.postponed: set[UUID] = set()

    def now(self) -> datetime:
        """The time of day."""
        return EPOCH + timedelta(seconds=self.loop.time())

    def happens(self, chance: float) -> bool:
        """Whether something goes wrong now; nothing does once all is healed."""
        return chance > 0 and not self.healed and self.rng.random() < chance

    def note(self, kind: str, text: object = "", count: int = 1) -> None:
        """Count what happens."""
        self.tally[kind] += count
        if self.trace is not None:
            process = PROCESS.get(None)
            self.trace.append(f"{self.loop.time():9.3f} {process.name if process else '':12} {kind}: {text}")

    def violated(self, text: str) -> None:
        """Something that must never be, is."""
        self.violations.append(text)
        self.note("violations", text)


class Server:
    """A process that answers calls. What was sent takes effect even when the caller dies or gives up meanwhile."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation = simulation
        self.process = Process(name)

    def call(self, work: Callable[[], Any], delay: float | None = None) -> asyncio.Future[Any]:
        """The result of `work`, done at the server after some time (`delay`) and answered after some more."""
        loop = self.simulation.loop
        future = loop.create_future()
        loop.call_later(
            self.delay() if delay is None else delay, self._serve, work, future, context=self.process.context
        )
        return future

    def delay(self) -> float:
        """The time that a message takes."""
        return 0.001 + 0.02 * self.simulation.rng.random()

    def _serve(self, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        try:
            result = work()
        except Exception as error:
            self.answer(future, error)
        else:
            self.answer(future, result)

    def answer(self, future: asyncio.Future[Any], result: Any) -> None:
        """Send the answer; an exception is raised at the caller."""
        loop = self.simulation.loop
        loop.call_later(self.delay(), self._deliver, future, result, context=self.process.context)

    @staticmethod
    def _deliver(future: asyncio.Future[Any], result: Any) -> None:
        if future.done():
            return
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed showed."""

    seed: int
    violations: tuple[str, ...]
    tally: Counter[str]
    trace: tuple[str, ...]


def run_seed(seed: int, main: Callable[[Simulation], Coroutine[Any, Any, None]], verbose: bool) -> Result:
    """Run a world in the simulation of a seed; a world that fails is a violation, and raised when `verbose`."""
    random.seed(seed)  # the pauses between attempts
    simulation = Simulation(seed, verbose)
    try:
        simulation.loop.run(main(simulation))
    except Exception as error:
        simulation.violated(f"the simulation ended by {type(error).__name__}: {error}")
        if verbose:
            raise
    return Result(seed, tuple(simulation.violations), simulation.tally, tuple(simulation.trace or ()))
