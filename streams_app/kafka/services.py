"""Two of Faust's services without the second that each of them sleeps: a restart takes half as long."""

from __future__ import annotations

import asyncio

import faust

from streams_app.kafka.tables import TableManager


class Tables(TableManager):
    """Starts at once: all tables are declared before the app starts, none of them by an agent."""

    async def on_start(self) -> None:
        """Subscribe to the changelogs and begin to recover."""
        await self._update_channels()
        await self.recovery.start()


class Worker(faust.Worker):  # type: ignore[misc]
    """Ends when the last of its tasks has ended."""

    async def _sentinel_task(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=1.0)
