"""The same steps without Kafka: events go from one step to the next in memory, many units of work at a time.

There is neither an outbox nor an inbox: nothing that waits here survives a crash, and nobody would go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from streams_app.databases.domains import domain_databases
from streams_app.settings import Settings
from streams_app.systems.allocations import messages
from streams_app.systems.allocations.pipeline import Collected, Pipeline, Wanted

#: Topics from the first step to the last.
ORDER: Final = (
    messages.SLICES,
    messages.ROUTED,
    messages.BLOCK_ORDERS,
    messages.MARKET_ORDERS,
    messages.OPENINGS,
    messages.EXECUTIONS,
    messages.PARTS,
    messages.BOOKINGS,
    messages.CLOSED,
    messages.CLOSINGS,
)
# Seconds between looks at a market that has nothing to do.
_PAUSE: Final = 0.005


async def run_in_process(settings: Settings, rebalance: Wanted, concurrency: int) -> None:
    """Rebalance a group with so many units of work at a time, to its end. Raises what the steps raise."""
    pool = {"pool_max": max(settings.database.pool_max, concurrency + 2)}
    wide = settings.model_copy(update={"database": settings.database.model_copy(update=pool)})
    async with domain_databases(wide) as databases:
        pipeline, begun = Pipeline(databases, wide), Collected()
        await rebalance.begin(databases, begun, settings)
        scheduler = Scheduler(pipeline, settings)
        await scheduler.run(begun.take(), concurrency)
        await pipeline.finish()


class Scheduler:
    """Hands out units of work to lanes until there is no more."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self._pipeline = pipeline
        self._allocations = settings.allocations
        self._waiting: dict[str, deque[Any]] = {topic: deque() for topic in ORDER}
        self._busy = 0
        self._over = False
        self._changed = asyncio.Condition()

    async def run(self, first: Sequence[Any], lanes: int) -> None:
        """Do what the first events ask for, and all that follows."""
        await self._put(first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._market())
            for _ in range(lanes):
                tasks.create_task(self._lane())

    async def _lane(self) -> None:
        while (taken := await self._take()) is not None:
            made = await self._pipeline.unit(*taken)
            self._busy -= 1
            await self._put(made)

    async def _market(self) -> None:
        while not self._over:
            made = await self._pipeline.round()
            await self._put(made)
            await asyncio.sleep(self._allocations.market.interval if made else _PAUSE)

    async def _take(self) -> tuple[str, list[Any]] | None:
        """The next unit of work; None when there will be none."""
        async with self._changed:
            while True:
                # The last steps first: what was begun is ended before more is begun.
                for topic in reversed(ORDER):
                    if found := self._waiting[topic]:
                        self._busy += 1
                        most = self._allocations.unit(self._pipeline.step_of(topic))
                        return topic, [found.popleft() for _ in range(min(most, len(found)))]
                if self._over:
                    return None
                await self._changed.wait()

    async def _put(self, items: Sequence[Any]) -> None:
        """Let items wait for the step that takes them; notice when that was all."""
        async with self._changed:
            for item in items:
                self._waiting[item.topic].append(item)
            idle = not self._busy and not any(self._waiting.values())
            self._over = idle and not self._pipeline.working
            self._changed.notify_all()
