"""A storm of failing commits under load: every kind of failure, again and again, and `verify` finds nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from random import Random

import pytest

from deploy.local.scraped import total_of
from streams_app.databases import Databases
from streams_app.settings import Settings
from tests.fix_stack import Application, Workers
from tests.integration.sql_proxy import FAULTS, Fault, SqlProxy

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

REQUESTS = 250
# Of all commits, so that nearly every batch meets one.
SHARE = 0.3


@pytest.fixture
def proxies(settings: Settings) -> Iterator[dict[str, SqlProxy]]:
    """A proxy in front of each region's pooler, each with the same faults at every run."""

    def drawing(rng: Random) -> Callable[[], Fault | None]:
        return lambda: rng.choice(FAULTS) if rng.random() < SHARE else None

    with ExitStack() as stack:
        yield {
            name: stack.enter_context(closing(SqlProxy(region.pooler, drawing(Random(name)))))
            for name, region in settings.regions.items()
        }


async def effects(databases: Databases) -> Counter[str]:
    """Events and trades of all regions."""
    found: Counter[str] = Counter()
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            for kind, table in (("transition", "request_event_log"), ("trade", "trade_info")):
                [(count,)] = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchall()
                found[kind] += count
    return found


async def test_a_storm_of_failing_commits_loses_doubles_and_disorders_nothing(
    databases: Databases, workers: Workers, application: Application, proxies: dict[str, SqlProxy]
) -> None:
    addresses = {name: {"pooler": proxy.address} for name, proxy in proxies.items()}
    members = workers.start(2, STREAMS_REGIONS=json.dumps(addresses))
    for worker in members:
        worker.await_ready()
    before = await effects(databases)
    await asyncio.to_thread(
        application.run, "generate", "--total", str(REQUESTS), "--rate", "60", "--seed", "storm", "--answer"
    )
    made = await effects(databases) - before
    # Every request has its first event from the generator, all others from a worker.
    made["transition"] -= REQUESTS
    application.run("verify")
    done = sum((proxy.done for proxy in proxies.values()), Counter())
    assert set(done) == {fault.name for fault in FAULTS}
    metrics = [worker.metrics() for worker in members]
    for failure in ("serialization", "deadlock", "ambiguous"):
        assert sum(total_of(text, "streams_retries_total", **{"class": failure}) for text in metrics) > 0, failure
    # What was looked up after a lost answer is counted like what was answered.
    assert made["transition"] > REQUESTS
    assert made["trade"] > 0
    assert sum(total_of(text, "streams_effects_total", kind="transition") for text in metrics) == pytest.approx(
        made["transition"], rel=0.02
    )
