"""A region that is down stops only its own requests, and they go on when it is back."""

from __future__ import annotations

import asyncio
import time

import pytest

from deploy.local import Stack
from deploy.local.scraped import total_of
from streams_app.databases import Databases
from streams_app.settings import Settings
from tests.fix_stack import Workers, eventually
from tests.integration.data import complete, insert_requests

pytestmark = pytest.mark.stack


async def test_the_other_regions_go_on_and_what_was_parked_completes_afterwards(
    stack: Stack, settings: Settings, workers: Workers
) -> None:
    [worker] = workers.start()
    worker.await_ready()
    # Front offices that do not need the pooler: they go on writing while workers are cut off.
    straight = {name: r.model_copy(update={"pooler": r.server}) for name, r in settings.regions.items()}
    async with Databases(settings.model_copy(update={"regions": straight})) as databases:
        stack.kill("pgbouncer-us-west")
        try:
            west = await insert_requests(databases, "us-west", 10)
            await asyncio.to_thread(await_parked, worker)
            east = await insert_requests(databases, "us-east", 10)
            await eventually(lambda: complete(databases, east), 20)
            assert not await complete(databases, west)
            assert 'streams_region_up{region="us-west"} 0.0' in worker.metrics()
            assert 'streams_region_up{region="us-east"} 1.0' in worker.metrics()
        finally:
            await asyncio.to_thread(stack.restart, "pgbouncer-us-west")
        await eventually(lambda: complete(databases, west), 40)
        assert worker.health()["status"] == "ok"


def await_parked(worker) -> None:  # type: ignore[no-untyped-def]
    """Wait until the worker has parked something."""
    deadline = time.monotonic() + 30
    while not total_of(worker.metrics(), "streams_parked_total", region="us-west"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
