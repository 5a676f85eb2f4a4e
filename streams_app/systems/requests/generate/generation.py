"""One run of `generate`: the producer and the outside world together, until there is nothing left to do."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg

from streams_app.databases import Databases
from streams_app.errors import StartError
from streams_app.systems.requests.generate.answers import OutsideWorld, still_open
from streams_app.systems.requests.generate.generator import Blueprint, Generator, Plan
from streams_app.systems.requests.generate.producer import Producer, Source
from streams_app.systems.requests.generate.retrying import until_region_answers
from streams_app.systems.requests.static import check_static_tables
from streams_app.systems.requests.workflow import WorkflowBook

_ASKED_AT_ONCE = 5_000
_INTERVAL = 1.0
# Seconds for a region to answer at the start; a pooler alone would wait longer for its database.
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. `total` None: without end; `rate` is in requests a second, 0 as fast as possible."""

    blueprint: Blueprint
    regions: Sequence[str]
    rate: float
    total: int | None
    batch: int
    write: bool
    answer: bool


@dataclass(slots=True)
class Totals:
    """What was done so far. `seconds` is how long the writing took; `open` is None when nobody waits for the end."""

    new: int = 0
    already_there: int = 0
    signals: int = 0
    open: int | None = None
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """New requests a second."""
        return self.new / self.seconds if self.seconds else 0.0


async def check_regions(databases: Databases, book: WorkflowBook, regions: Sequence[str]) -> None:
    """Raise StartError when a region has not the tables of these workflows, or when none answers.

    A region that is merely down is no reason not to start: its requests wait for it.
    """
    checks = {asyncio.create_task(check_static_tables(databases, book, region)): region for region in regions}
    answered, silent = await asyncio.wait(checks, timeout=_PATIENCE)
    for task in silent:
        # Not awaited: breaking off a statement that nobody answers takes seconds, too.
        task.cancel()
    failures = {checks[task]: error for task in answered if (error := task.exception()) is not None}
    for region, error in failures.items():
        if isinstance(error, StartError):
            raise error
        if isinstance(error, psycopg.ProgrammingError):
            raise StartError(f"region {region}: {error}; run `faust -A streams_app migrate`") from error
    if len(failures) + len(silent) == len(checks):
        raise StartError("no database answers; is the stack up? (`make up`)")


class Generation:
    """Carries out an order. `on_progress` is told the totals after every change."""

    def __init__(
        self, databases: Databases, book: WorkflowBook, order: Order, on_progress: Callable[[Totals], None]
    ) -> None:
        self.totals = Totals()
        self._databases = databases
        self._book = book
        self._order = order
        self._on_progress = on_progress
        self._open: dict[str, dict[UUID, int]] = defaultdict(dict)
        self._waits = order.write and order.answer and order.total is not None

    async def run(self, stop: asyncio.Event) -> Totals:
        """Write, answer and wait as ordered, until all is done or `stop` is set. Raises what is permanent."""
        work: list[Coroutine[Any, Any, Any]] = [self._write_and_wait(stop)]
        if self._order.answer:
            world = OutsideWorld(self._databases, self._book, self._order.blueprint.seed, on_sent=self._sent)
            work.append(world.run(self._order.regions))
        await _until_first(*work)
        return self.totals

    async def _write_and_wait(self, stop: asyncio.Event) -> None:
        if self._order.write:
            await self._write(stop)
        if self._waits:
            await _until_first(stop.wait(), self._until_all_ended())
        elif self._order.answer:
            await stop.wait()

    async def _write(self, stop: asyncio.Event) -> None:
        order, started = self._order, time.monotonic()

        def written(batch: list[Plan], new: set[UUID]) -> None:
            self.totals.new += len(new)
            self.totals.already_there += len(batch) - len(new)
            self.totals.seconds = time.monotonic() - started
            if self._waits:
                self._open[batch[0].region].update((plan.request_id, plan.locality) for plan in batch)
                self.totals.open = sum(map(len, self._open.values()))
            self._on_progress(self.totals)

        regions = self._databases.regions
        generator = Generator(order.blueprint, regions)
        plans = generator.plans(order.regions, order.total)
        source = Source(plans, rate=order.rate, batch=order.batch, clock=time.monotonic)
        shared = {region: generator.shared_accounts(region) for region in regions.names}
        await Producer(self._databases, self._book, source, shared, written).run(order.regions, stop)

    async def _until_all_ended(self) -> None:
        while True:
            await asyncio.gather(*(self._look_at(region) for region in self._open))
            self.totals.open = sum(map(len, self._open.values()))
            self._on_progress(self.totals)
            if not self.totals.open:
                return
            await asyncio.sleep(_INTERVAL)

    async def _look_at(self, region: str) -> None:
        """Forget the requests of `region` that have ended."""
        waiting, self._open[region] = iter(self._open[region].items()), {}
        while part := dict(islice(waiting, _ASKED_AT_ONCE)):
            still = await until_region_answers(region, "requests", partial(still_open, self._databases, region, part))
            self._open[region].update((request_id, part[request_id]) for request_id in still)

    def _sent(self, count: int) -> None:
        self.totals.signals += count
        self._on_progress(self.totals)


async def _until_first(*work: Coroutine[Any, Any, Any]) -> None:
    """Run side by side until one has ended, then break off the others: all of them are safe to break off."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
