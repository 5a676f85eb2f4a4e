"""A region that is down stops only its own requests, and they go on when it is back."""

from __future__ import annotations

import asyncio
import time

import pytest

from deploy.local import Stack
from deploy.local.scraped import total_of
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.requests.model import Status
from tests.fix_stack import Workers, eventually
from tests.integration.data import account_in, head, insert_account, insert_request

pytestmark = pytest.mark.stack


async def test_the_other_regions_go_on_and_what_was_parked_completes_afterwards(
    stack: Stack, settings: Settings, workers: Workers
) -> None:
    [worker] = workers.start()
    worker.await_ready()
    # Front offices that do not need the pooler: they go on writing while workers are cut off.
    straight = {name: r.model_copy(update={"pooler": r.server}) for name, r in settings.regions.items()}
    async with Databases(settings.model_copy(update={"regions": straight})) as databases:

        async def write(region: str) -> list[object]:
            accounts = [await insert_account(databases, account_in(databases, region)) for _ in range(10)]
            return [await insert_request(databases, account) for account in accounts]

        async def complete(keys: list[object]) -> bool:
            heads = [await head(databases, key) for key in keys]
            return all(found is not None and found[0] == Status.COMPLETE for found in heads)

        stack.kill("pgbouncer-us-west")
        try:
            west = await write("us-west")
            await asyncio.to_thread(await_parked, worker)
            east = await write("us-east")
            await eventually(lambda: complete(east), 20)
            assert not await complete(west)
            assert 'streams_region_up{region="us-west"} 0.0' in worker.metrics()
            assert 'streams_region_up{region="us-east"} 1.0' in worker.metrics()
        finally:
            await asyncio.to_thread(stack.restart, "pgbouncer-us-west")
        await eventually(lambda: complete(west), 40)
        assert worker.health()["status"] == "ok"


def await_parked(worker) -> None:  # type: ignore[no-untyped-def]
    """Wait until the worker has parked something."""
    deadline = time.monotonic() + 30
    while not total_of(worker.metrics(), "streams_parked_total", region="us-west"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
