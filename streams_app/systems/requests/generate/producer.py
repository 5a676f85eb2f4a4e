"""App A: writes planned requests, region by region, at a given rate. What is there already stays as it is."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from streams_app.databases import Databases
from streams_app.systems.requests.generate.generator import Plan
from streams_app.systems.requests.generate.histories import begun, write_accounts, write_histories
from streams_app.systems.requests.generate.retrying import until_region_answers
from streams_app.systems.requests.generate.sample import Sample
from streams_app.systems.requests.model import Account
from streams_app.systems.requests.workflow import WorkflowBook

T = TypeVar("T")

# While one region is down, so many requests of it may wait; then the others wait too.
MOST_WAITING = 20_000
# Seconds that a write in flight may take when the producer is told to stop.
GRACE = 10.0
_PAUSE = 0.02
_AT_ONCE = 500

# Told after each commit: the batch, and which of its requests are new.
OnWritten = Callable[[list[Plan], set[UUID]], None]


class Source:
    """Hands out plans region by region, no faster than `rate` a second (0: no limit)."""

    def __init__(self, plans: Iterator[Plan], *, rate: float, batch: int, clock: Callable[[], float]) -> None:
        self._plans = plans
        self._rate = rate
        self.batch = batch
        self._clock = clock
        self._started = clock()
        self._drawn = 0
        self._waiting: dict[str, deque[Plan]] = defaultdict(deque)
        self._exhausted = False

    def take(self, region: str) -> list[Plan] | None:
        """Plans of `region` that are due, at most one batch; [] when none is due yet, None when no more will come."""
        mine = self._waiting[region]
        allowed = self._allowed()
        while len(mine) < self.batch and allowed > 0 and not self._exhausted:
            allowed -= 1
            plan = next(self._plans, None)
            if plan is None:
                self._exhausted = True
            else:
                self._drawn += 1
                self._waiting[plan.region].append(plan)
        taken = [mine.popleft() for _ in range(min(len(mine), self.batch))]
        return None if not taken and self._exhausted else taken

    def _allowed(self) -> int:
        room = MOST_WAITING - max((len(waiting) for waiting in self._waiting.values()), default=0)
        if self._rate <= 0:
            return room
        return min(room, int((self._clock() - self._started) * self._rate) - self._drawn)


class Producer:
    """Writes every plan of `source`: one writer per region, so that a region that is down holds up no other.

    `shared` are the accounts, by region, that plans of several regions name: they are written first, and a plan waits
    until those that it names are there.
    """

    def __init__(
        self,
        databases: Databases,
        book: WorkflowBook,
        source: Source,
        shared: Mapping[str, list[Account]],
        on_written: OnWritten,
    ) -> None:
        self._databases = databases
        self._book = book
        self._source = source
        self._shared = shared
        self._region_of = {account.account_id: region for region, accounts in shared.items() for account in accounts}
        self._prepared: set[str] = set()
        self._on_written = on_written

    async def run(self, regions: Collection[str], stop: asyncio.Event) -> None:
        """Write until the plans end or `stop` is set, which lets writes in flight finish. Raises what is permanent."""
        preparing = [asyncio.create_task(self._prepare(region)) for region in self._shared]
        writers = [asyncio.create_task(self._write_region(region, stop)) for region in regions]
        stopping = asyncio.create_task(stop.wait())
        running, writing = {*preparing, *writers}, set(writers)
        try:
            while writing and not stopping.done():
                await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
                running = {task for task in running if not _succeeded(task)}
                writing &= running
            if writing:
                await asyncio.wait(writing, timeout=GRACE)
        finally:
            for task in (*preparing, *writers, stopping):
                task.cancel()
            await asyncio.gather(*preparing, *writers, stopping, return_exceptions=True)

    async def _prepare(self, region: str) -> None:
        for part in _parts(self._shared[region], _AT_ONCE):
            await until_region_answers(region, "generate", partial(write_accounts, self._databases, region, part))
        self._prepared.add(region)

    async def _write_region(self, region: str, stop: asyncio.Event) -> None:
        waiting: list[Plan] = []
        while not stop.is_set():
            taken = self._source.take(region) if len(waiting) < MOST_WAITING else []
            if taken is None and not waiting:
                return
            waiting += taken or ()
            ready = [plan for plan in waiting if self._is_ready(plan)]
            if not ready:
                await asyncio.sleep(_PAUSE)
                continue
            waiting = [plan for plan in waiting if not self._is_ready(plan)]
            for batch in _parts(ready, self._source.batch):
                new = await until_region_answers(region, "generate", partial(self._write, region, batch))
                self._on_written(batch, new)

    def _is_ready(self, plan: Plan) -> bool:
        if len(self._prepared) == len(self._shared):
            return True
        named = (self._region_of.get(account.account_id) for account in plan.accounts)
        return all(region is None or region in self._prepared for region in named)

    async def _write(self, region: str, batch: list[Plan]) -> set[UUID]:
        own = {a.account_id: a for plan in batch for a in plan.accounts if a.account_id not in self._region_of}
        now = datetime.now(UTC)
        histories = [begun(plan, self._book, now) for plan in batch]
        return await write_histories(self._databases, region, histories, own.values())


def _succeeded(task: asyncio.Task[None]) -> bool:
    """Whether the task is done. Raises what it raised."""
    if task.done():
        task.result()
    return task.done()


async def write_sample(databases: Databases, sample: Sample, on_written: Callable[[int], None]) -> tuple[int, int]:
    """Write sample data, regions side by side; returns how many accounts and requests are new.

    `on_written` is told how many rows of either were dealt with. Raises what psycopg raises; safe to repeat.
    """
    regions = databases.regions

    async def write(region: str) -> tuple[int, int]:
        accounts = [a for a in sample.accounts if regions.of(a.locality) == region]
        histories = [h for h in sample.histories if h.plan.region == region]
        new_accounts = new_requests = 0
        for part in _parts(accounts, _AT_ONCE):
            new_accounts += await write_accounts(databases, region, part)
            on_written(len(part))
        for batch in _parts(histories, _AT_ONCE):
            new_requests += len(await write_histories(databases, region, batch))
            on_written(len(batch))
        return new_accounts, new_requests

    done = await asyncio.gather(*(write(region) for region in regions.names))
    return sum(accounts for accounts, _ in done), sum(requests for _, requests in done)


def _parts(rows: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
