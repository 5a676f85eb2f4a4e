"""A simulation: the domains are filled, a rebalance goes through the three phases, and all of it is verified."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from streams_app.databases.domains import domain_databases
from streams_app.databases.pools import Databases
from streams_app.delivery.events import EventPublisher
from streams_app.errors import StartError
from streams_app.metrics import RETRIES
from streams_app.settings import Settings
from streams_app.systems.allocations import loading
from streams_app.systems.allocations.crew import Crew
from streams_app.systems.allocations.generate.accounts import Scale
from streams_app.systems.allocations.in_process import run_in_process
from streams_app.systems.allocations.measured import Measured, lags, spans
from streams_app.systems.allocations.model import named
from streams_app.systems.allocations.one_batch import run_one_batch
from streams_app.systems.allocations.pipeline import Wanted
from streams_app.systems.allocations.progress import INTERVAL, Reader, Watch
from streams_app.systems.allocations.progress_model import BEGUN, Progress
from streams_app.systems.allocations.quotes import latest_day
from streams_app.systems.allocations.scenario import Phase, Scenario, Way
from streams_app.systems.allocations.verify import verify
from streams_app.verification import Report

#: Hears of each step of the preparation (words, how much is done, of how much), and of progress.
OnLoad: TypeAlias = Callable[[int, int], None]
OnProgress: TypeAlias = Callable[[Progress], None]

# Seconds without anything on its way after which nothing comes any more, and seconds to wait for that.
_CALM, _CALM_WITHIN = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What a simulation needs of the Kafka side; the composition root gives it."""

    #: What writes the events of a service down.
    publisher: Callable[[Settings], EventPublisher]
    #: Empties the topics of allocations, with as many partitions as the settings say.
    renew_topics: Callable[[Settings], Awaitable[None]]


class Simulation:
    """The ways of a scenario, one after another."""

    def __init__(self, scenario: Scenario, outside: Outside, folder: Path) -> None:
        """`folder` is where workers leave their logs."""
        self._scenario = scenario
        self._outside = outside
        self._folder = folder

    async def run(self, way: Way, on_load: OnLoad, on_progress: OnProgress) -> Measured:
        """One way, on fresh data. Raises StartError, SettingsError, and what psycopg raises."""
        settings = way.applied(f"simulation-{secrets.token_hex(4)}")
        await asyncio.to_thread(loading.reset, settings)
        async with AsyncExitStack() as stack:
            databases = await stack.enter_async_context(domain_databases(settings))
            await loading.load(databases, self._scale(settings), on_load)
            crew = await self._crew(stack, way, settings)
            deadlocks, retried, began = _deadlocks(settings), _retries(), time.monotonic()
            with Watch(settings) as watch:
                await self._work(way, settings, databases, crew, watch, on_progress)
            seconds = time.monotonic() - began
            retries = _retries() - retried if crew is None else await crew.retries()
            report = await self._verified(settings, crew)
        return Measured(
            way,
            seconds,
            spans(watch.samples, began),
            watch.now,
            _fills(settings),
            watch.latencies(),
            watch.waited(),
            _deadlocks(settings) - deadlocks,
            retries,
            crew.kills if crew is not None else 0,
            lags(watch.samples),
            report,
        )

    async def _crew(self, stack: AsyncExitStack, way: Way, settings: Settings) -> Crew | None:
        """The workers, when the way has some, well and with all their partitions."""
        if way.how != "kafka":
            return None
        await self._outside.renew_topics(settings)
        crew = Crew(way.workers, way.variables(settings.app_id), self._folder)
        await stack.enter_async_context(crew)
        await crew.ready()
        return crew

    async def _work(
        self,
        way: Way,
        settings: Settings,
        databases: Databases,
        crew: Crew | None,
        watch: Watch,
        on_progress: OnProgress,
    ) -> None:
        """Let the rebalance begin, and return when it has ended."""
        rebalance_id = named("simulation", self._scenario.data.seed)
        wanted = Wanted(rebalance_id, self._scenario.group, self._scenario.day or await latest_day(databases))
        showing = asyncio.create_task(_show(watch, on_progress))
        try:
            if way.how == "one_batch":
                await run_one_batch(settings, wanted)
            elif crew is None:
                await run_in_process(settings, wanted, way.concurrency)
            else:
                await wanted.begin(databases, self._outside.publisher(settings), settings)
                await self._await_end(watch, crew, list(way.kills))
        finally:
            showing.cancel()

    async def _await_end(self, watch: Watch, crew: Crew, kills: list[Phase]) -> None:
        """Kill workers as their phases come, and return when every rebalance has ended."""
        last, moved = watch.now, time.monotonic()
        while not watch.now.complete:
            await asyncio.sleep(INTERVAL)
            crew.check()
            for phase in [phase for phase in kills if BEGUN[phase](watch.now)]:
                kills.remove(phase)
                await crew.kill()
            if watch.now != last:
                last, moved = watch.now, time.monotonic()
            elif time.monotonic() - moved > self._scenario.patience:
                raise StartError(f"nothing has moved for {self._scenario.patience:.0f} s: {last}")

    async def _verified(self, settings: Settings, crew: Crew | None) -> Report:
        """What is there now, when nothing is on its way any more."""
        if crew is not None:
            await _calm(crew)
        return await verify(settings, grace=0, samples=3)

    def _scale(self, settings: Settings) -> Scale:
        return Scale(**self._scenario.data.model_dump(), buckets=settings.allocations.buckets)


async def _show(watch: Watch, on_progress: OnProgress) -> None:
    while True:
        on_progress(watch.now)
        await asyncio.sleep(INTERVAL)


async def _calm(crew: Crew) -> None:
    """Wait until workers have had nothing before them for a second, or do not come to that."""
    now = time.monotonic()
    until, calm_since = now + _CALM_WITHIN, now
    while now < until and now - calm_since < _CALM:
        await asyncio.sleep(INTERVAL)
        now = time.monotonic()
        if await crew.lag() != 0:
            calm_since = now


def _deadlocks(settings: Settings) -> int:
    reader = Reader(settings)
    try:
        return reader.everywhere("deadlocks")
    finally:
        reader.close()


def _fills(settings: Settings) -> int:
    reader = Reader(settings)
    try:
        rows = reader.rows("allocations", "fills")
        return int(rows[0][0]) if rows else 0
    finally:
        reader.close()


def _retries() -> int:
    """Transactions that this process has made again."""
    [family] = RETRIES.collect()
    return int(sum(sample.value for sample in family.samples if sample.name.endswith("_total")))
