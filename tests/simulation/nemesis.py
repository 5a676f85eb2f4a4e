"""What happens to workers, regions and feeds: kills, pauses past the session, scaling, outages, repeated history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from tests.simulation.base import Simulation
from tests.simulation.kafka import HEARTBEAT, SESSION_TIMEOUT, Broker
from tests.simulation.regions import Region
from tests.simulation.worker import Worker


class HistoricFeed(Protocol):
    """A changefeed that may begin again."""

    def send_history(self) -> None:
        """Send all that was ever sent again."""


class FaultyWorld(Protocol):
    """What faults happen to."""

    simulation: Simulation
    broker: Broker

    @property
    def databases(self) -> Mapping[str, Region]: ...
    @property
    def feeds(self) -> Sequence[HistoricFeed]: ...

    def add_worker(self) -> None: ...
    def running(self) -> Sequence[Worker]: ...


class Nemesis:
    """Deals out the faults of a world, and heals all of them at the end."""

    def __init__(self, world: FaultyWorld) -> None:
        self._world = world
        self._simulation = world.simulation
        self._loop = world.simulation.loop

    async def run(self, seconds: float) -> None:
        """Faults at random moments of the next `seconds`; returns when all are healed."""
        chances, self._simulation.healed = self._simulation.chances, False
        faults = [self._kill] * chances.kills + [self._pause] * chances.pauses + [self._scale] * chances.scalings
        faults += [self._outage] * chances.outages + [self._history] * chances.histories
        rng = self._simulation.rng

        async def at_some_time(fault) -> None:
            await asyncio.sleep(seconds * rng.random())
            await fault()

        await asyncio.gather(asyncio.sleep(seconds), *(at_some_time(fault) for fault in faults))
        self._simulation.healed = True
        while not self._world.running():
            self._world.add_worker()

    def _victim(self) -> Worker | None:
        running = self._world.running()
        return self._simulation.rng.choice(running) if running else None

    async def _kill(self) -> None:
        """Kill -9; somebody starts another one after a while."""
        worker, rng = self._victim(), self._simulation.rng
        if worker is not None:
            self._simulation.note("kills", worker.name)
            self._loop.kill(worker.process)
            self._loop.call_later(SESSION_TIMEOUT, self._world.broker.group.expire, worker.name)
            await asyncio.sleep(2 * rng.random())
            self._world.add_worker()

    async def _pause(self) -> None:
        """SIGSTOP; past the session it wakes as a zombie, with its batch in flight."""
        worker, rng = self._victim(), self._simulation.rng
        if worker is None:
            return
        self._loop.pause(worker.process)
        seconds = 8 * rng.random()
        self._simulation.note("zombies" if seconds > SESSION_TIMEOUT else "pauses", f"{worker.name} {seconds:.1f} s")
        if seconds > SESSION_TIMEOUT:
            self._loop.call_later(SESSION_TIMEOUT, self._world.broker.group.expire, worker.name)
        await asyncio.sleep(seconds)
        self._simulation.note("wakes", worker.name)
        self._loop.resume(worker.process)
        if seconds > SESSION_TIMEOUT:
            # Its next heartbeat tells it.
            self._loop.call_later(HEARTBEAT * rng.random(), worker.on_rebalance)

    async def _scale(self) -> None:
        """A worker joins, or one is stopped cleanly."""
        running = self._world.running()
        if len(running) > 1 and self._simulation.rng.random() < 0.5:
            worker = self._simulation.rng.choice(running)
            self._simulation.note("stops", worker.name)
            worker.stop()
        elif len(running) < 4:
            self._world.add_worker()

    async def _outage(self) -> None:
        """A region goes away for a while."""
        database = self._simulation.rng.choice(list(self._world.databases.values()))
        if database.is_up.is_set():
            database.fail(deaf=self._simulation.rng.random() < 0.5)
            await asyncio.sleep(9 * self._simulation.rng.random())
            database.recover()

    async def _history(self) -> None:
        self._simulation.rng.choice(self._world.feeds).send_history()
