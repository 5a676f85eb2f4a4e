"""The rival: the whole cycle as one large batch for each step, one after another, each in one transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from streams_app.databases.connecting import Connection
from streams_app.databases.domains import domain_names, place_of
from streams_app.databases.pools import Databases
from streams_app.settings import Settings
from streams_app.systems.allocations import messages
from streams_app.systems.allocations.in_process import ORDER
from streams_app.systems.allocations.pipeline import Collected, Pipeline, Wanted

# Seconds that a transaction may take, and as many rows as there are.
_LONG: Final = 86_400.0
_ALL: Final = 10_000


class PatientDatabases(Databases):
    """The domains, where a transaction may compute for as long as it likes."""

    @asynccontextmanager
    async def transaction(self, region: str) -> AsyncIterator[Connection]:
        """As of every database, without a limit to its pauses."""
        async with super().transaction(region) as connection:
            await connection.execute(b"SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection


async def run_one_batch(settings: Settings, rebalance: Wanted) -> None:
    """Rebalance a group, each step once with all its events. Raises what the steps raise."""
    patient = _patient(settings)
    places = {name: place_of(patient, name, "app") for name in domain_names(patient)}
    async with PatientDatabases(patient, "app", places=places) as databases:
        pipeline, begun = Pipeline(databases, patient), Collected()
        await rebalance.begin(databases, begun, patient)
        waiting: dict[str, list[Any]] = defaultdict(list)
        waiting[messages.SLICES] += begun.take()
        for topic in ORDER:
            if topic == messages.EXECUTIONS:
                # The batch begins when the market has ended, however long that takes.
                while pipeline.working:
                    waiting[topic] += await pipeline.round()
                    await asyncio.sleep(settings.allocations.market.interval)
            for made in await pipeline.unit(topic, waiting.pop(topic, [])):
                waiting[made.topic].append(made)
        await pipeline.finish()


def _patient(settings: Settings) -> Settings:
    """Without limits to time and size; a market without pauses executes all at once."""
    database = settings.database.model_copy(update={"statement_timeout": _LONG, "region_timeout": _LONG})
    market = settings.allocations.market
    if not market.interval:
        market = market.model_copy(update={"orders": _ALL, "pieces_a_round": _ALL})
    allocations = settings.allocations.model_copy(update={"market": market, "slice_accounts": 10**9})
    return settings.model_copy(update={"database": database, "allocations": allocations})
