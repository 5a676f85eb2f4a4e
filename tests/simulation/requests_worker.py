"""A worker of the requests system: the real handler, rules and sweepers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from streams_app.changefeed import Change
from streams_app.databases import Regions
from streams_app.delivery.ports import Outcome
from streams_app.systems.requests.agents import TOPICS, RequestsHandler
from streams_app.systems.requests.sweeper import Sweeper
from streams_app.systems.requests.workflow import WorkflowBook
from streams_app.topics import parked_topic
from tests.simulation.base import Simulation
from tests.simulation.kafka import Broker
from tests.simulation.parts import Parts
from tests.simulation.store import RegionalStore
from tests.simulation.worker import Worker

SWEEP_INTERVAL = 5.0
MAX_VALUE_BYTES = 262_144


class Watched:
    """The handler, and somebody who is told which changes it is done with."""

    def __init__(self, handler: RequestsHandler, on_processed: Callable[[Change], None]) -> None:
        self._handler = handler
        self._on_processed = on_processed
        self.system, self.history = handler.system, handler.history
        self.decode, self.route, self.ended = handler.decode, handler.route, handler.ended

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        outcome = await self._handler.process(route, changes)
        rejected = [rejection.change for rejection in outcome.rejected]
        for change in changes:
            if change not in rejected:
                self._on_processed(change)
        return outcome


class RequestsWorker(Worker):
    """One process of the group."""

    def __init__(
        self,
        name: str,
        simulation: Simulation,
        broker: Broker,
        store: RegionalStore,
        book: WorkflowBook,
        regions: Regions,
        parts: Parts,
        on_processed: Callable[[Change], None],
    ) -> None:
        super().__init__(name, simulation, broker, parts.lane)
        self.sweeps = False
        orchestrator = parts.orchestrator(store, regions, book, simulation.now)
        handler = parts.handler(orchestrator, book, regions, MAX_VALUE_BYTES)
        parking = parts.parking(self, {region: parked_topic(region) for region in regions.names}, store.is_down)
        watched = Watched(handler, on_processed)
        lanes = simulation.chances.lanes
        processors = [parts.processor(watched, self._versions, self._letters, parking) for _ in range(lanes)]
        self.batch_agent("requests", TOPICS, processors, None)
        parking.drain_into(lambda: parts.processor(watched, self._versions, self._letters), None)
        self._new_sweepers = lambda: [
            parts.sweeper(store, orchestrator, book, name, simulation.now) for name in regions.names
        ]

    def start_sweeping(self) -> None:
        """Sweep every region."""
        self.sweeps = True
        for sweeper in self._new_sweepers():
            self._simulation.loop.spawn(self.process, self._sweep(sweeper))

    async def _sweep(self, sweeper: Sweeper) -> None:
        """As the application's timers do it."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL * self._simulation.rng.uniform(0.7, 1.3))
            try:
                await sweeper.resume()
                driven = await sweeper.sweep()
                self._simulation.note("swept", f"{self.name} {driven}", driven)
            except Exception as error:
                self._simulation.note("sweeps_failed", f"{self.name} {type(error).__name__}")
