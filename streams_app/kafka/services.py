"""Faust's worker without the second that it sleeps at its end."""

from __future__ import annotations

import asyncio

import faust


class Worker(faust.Worker):  # type: ignore[misc]
    """Ends when the last of its tasks has ended."""

    async def _sentinel_task(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=1.0)
