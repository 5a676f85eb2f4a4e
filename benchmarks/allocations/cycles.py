"""Whole cycles: the same data goes through every way in turns, and what each took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.allocations.memory import Memory
from deploy.local.stack import Stack
from streams_app.commands.simulating import OUTSIDE
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.scenario import Data, Scenario, Way
from streams_app.systems.allocations.simulation import Simulation

# The market fills as fast as it can: what is measured is everybody else.
MARKET = {"allocations": {"market": {"interval": 0.0}}}
# It takes its time, as markets do. Of two workers each lets it execute: theirs is twice as fast.
SLOW = {"allocations": {"market": {"interval": 2.0}}}
WAYS = (
    Way(name="one batch", how="one_batch", settings=MARKET),
    *(Way(name=f"in process, {n} at a time", how="in_process", concurrency=n, settings=MARKET) for n in (1, 4, 8)),
    Way(name="Kafka, two workers", how="kafka", workers=2, settings=MARKET),
)
PACED = (
    Way(name="one batch, when the market has ended", how="one_batch", settings=SLOW),
    Way(name="in process, 4 at a time", how="in_process", concurrency=4, settings=SLOW),
    Way(name="Kafka, two workers", how="kafka", workers=2, settings=SLOW),
)
WORKERS = WAYS[-1:]


@dataclass(frozen=True, slots=True)
class Cycle:
    """One way in one round. Seconds; bytes of workers and of database servers."""

    way: str
    accounts: int
    orders: int
    fills: int
    seconds: float
    first: float
    p50: float
    p99: float
    waited: float
    deadlocks: int
    retries: int
    workers: int
    databases: int


async def cycles(
    stack: Stack, accounts: int, ways: Sequence[Way], rounds: int, folder: Path, note: Callable[[str], None]
) -> tuple[list[Cycle], list[Measured]]:
    """Every way in every round, and what was measured in the last one. Raises RuntimeError when one is not clean."""
    scenario = Scenario(words="-", data=Data(accounts=accounts), patience=300, ways=tuple(ways))
    simulation, found, last = Simulation(scenario, OUTSIDE, folder), list[Cycle](), dict[str, Measured]()
    servers = [int(str(stack.status()[database.name]["pid"])) for database in stack.databases.values()]
    for number in range(rounds):
        # In turns, and each begins as often as the other.
        for way in ways if number % 2 else reversed(ways):
            note(f"{accounts:,} accounts, {way.name}, round {number + 1}")
            with Memory(servers) as memory:
                measured = await simulation.run(way, lambda *_: None, lambda _: None)
            if not measured.complete:
                raise RuntimeError(f"{way.name}: {measured.report.as_dict()}")
            found.append(_cycle(accounts, measured, memory))
            last[way.name] = measured
    return found, [last[way.name] for way in ways]


def _cycle(accounts: int, measured: Measured, memory: Memory) -> Cycle:
    return Cycle(
        measured.way.name,
        accounts,
        measured.progress.orders,
        measured.fills,
        measured.seconds,
        measured.first_fills,
        measured.latency(0.5),
        measured.latency(0.99),
        measured.waited,
        measured.deadlocks,
        measured.retries,
        memory.workers,
        memory.databases,
    )
