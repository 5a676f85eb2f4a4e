"""One short world: three ledgers, their sources, a few workers and the faults of its seed, until all is quiet."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from unittest.mock import patch

from faust.types import TP

from streams_app.changefeed import Record
from streams_app.delivery import ordering, routes
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.sequencer import Limits
from streams_app.kafka.parking import TopicParkingLot
from streams_app.topics import parked_topic
from tests.simulation.base import Result, Simulation, run_seed
from tests.simulation.kafka import Broker, Place
from tests.simulation.nemesis import Nemesis
from tests.simulation.sequence.checks import Checks
from tests.simulation.sequence.ledger import Ledger
from tests.simulation.sequence.operator import Operator
from tests.simulation.sequence.parts import Parts
from tests.simulation.sequence.source import ENTRIES, Source
from tests.simulation.worker import Worker

REGIONS = ("us-east", "us-central", "us-west")
BUSY_SECONDS = 10.0
FILL_AFTER, GIVE_UP_AFTER = 0.5, 25.0
# A world that is not quiet by then has lost something or turns in circles.
PATIENCE = 200.0
# Each time fewer letters are sent again: those of one key come in order.
REVIVALS = 3


class LedgerWorker(Worker):
    """One process of the group."""

    def __init__(self, name: str, world: World) -> None:
        parts, simulation = world.parts, world.simulation
        super().__init__(name, simulation, world.broker, parts.lane)
        handler = parts.handler(simulation, world.databases, world.sources)
        parking = parts.parking(self, {region: parked_topic(region) for region in REGIONS}, handler.pools.is_down)
        self.processors: list[BatchProcessor] = []

        def processor(parking: TopicParkingLot | None = None) -> BatchProcessor:
            made = parts.processor(handler, self._versions, self._letters, parking, world.limits)
            self.processors.append(made)
            return made

        self.batch_agent("ledger", [ENTRIES], [processor(parking) for _ in range(simulation.chances.lanes)], None)
        parking.drain_into(processor, None)


class Topics(Broker):
    """The broker, which notes in what order records came, and how many dead letters there were."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation, [ENTRIES], REGIONS)
        self.letters_before: dict[Place, int] = {}
        self.order: dict[Place, int] = {}
        #: When a change was parked last.
        self.last_parked: dict[Any, int] = {}

    def append(self, topic: str, partition: int, *rest: Any) -> Record:
        record = super().append(topic, partition, *rest)
        place = TP(topic, partition), record.offset
        self.letters_before[place] = len(self.dead_letters)
        self.order[place] = len(self.order)
        return record

    def park(self, parked: Record) -> Record:
        copy = super().park(parked)
        place = TP(copy.topic, copy.partition), copy.offset
        self.last_parked[self.change_of[place]] = self.order[place]
        return copy


class World:
    """Everything of one seed."""

    def __init__(self, simulation: Simulation, parts: Parts) -> None:
        self.simulation = simulation
        self.parts = parts
        self.chances = parts.chances(simulation)
        few = 3 if self.chances.tight else 1000
        self.limits = Limits(records=few, fill_after=FILL_AFTER, give_up_after=GIVE_UP_AFTER)
        self.broker = Topics(simulation)
        self.databases: dict[str, Ledger] = {name: parts.ledger(simulation, name) for name in REGIONS}
        self.sources = {name: Source(simulation, self.chances, self.broker, name) for name in REGIONS}
        self.feeds = list(self.sources.values())
        self.workers: list[LedgerWorker] = []
        self.checks = Checks(self)
        self.operator = Operator(self)
        self.broker.check_commit = self.checks.commit
        for ledger in self.databases.values():
            ledger.on_row = self.checks.row
            ledger.on_transaction = partial(self.checks.transaction, ledger.region)

    def ledger_of(self, key: str) -> Ledger:
        """The ledger of a key's region."""
        return self.databases[key.partition("/")[0]]

    def source_of(self, key: str) -> Source:
        """The source of a key's region."""
        return self.sources[key.partition("/")[0]]

    def add_worker(self) -> None:
        """One more worker joins."""
        worker = LedgerWorker(f"worker-{len(self.workers) + 1}", self)
        self.workers.append(worker)
        self.simulation.note("workers", worker.name)
        worker.start()

    def running(self) -> list[LedgerWorker]:
        """Workers that are neither dead nor paused nor stopping."""
        return [w for w in self.workers if not (w.process.dead or w.process.paused or w.stopped)]

    async def run(self) -> None:
        """From the first change to the last check."""
        simulation = self.simulation
        for _ in range(simulation.rng.randint(1, 3)):
            self.add_worker()
        for source in self.feeds:
            simulation.loop.spawn(source.process, source.run(BUSY_SECONDS))
        await asyncio.gather(Nemesis(self).run(BUSY_SECONDS), self.operator.run(2 * BUSY_SECONDS))
        await self._quiet()
        revived = self.operator.decide()
        for _ in range(REVIVALS):
            self.operator.revive({key for key in revived if self.checks.is_short(key)})
            await self._quiet()
        self.checks.end()

    async def _quiet(self) -> None:
        """Wait until nothing is on its way and every record is committed."""
        loop, calm = self.simulation.loop, 0
        give_up = loop.time() + PATIENCE
        while calm < 2:
            await asyncio.sleep(0.5)
            idle = all(source.idle for source in self.feeds)
            calm = calm + 1 if idle and self.broker.group.stable and not self.broker.lag else 0
            if loop.time() > give_up:
                self.simulation.violated(f"not quiet after {PATIENCE:.0f} s, lag {self.broker.lag}")
                return


def run(seed: int, parts: Parts = Parts(), *, verbose: bool = False) -> Result:  # noqa: B008 (frozen)
    """Run the world of a seed."""

    async def main(simulation: Simulation) -> None:
        with (
            patch.object(ordering, "monotonic", simulation.loop.time),
            patch.object(ordering, "Sequencer", parts.sequencer),
            patch.object(routes, "SequenceOrder", parts.order),
        ):
            await World(simulation, parts).run()

    return run_seed(seed, main, verbose)
