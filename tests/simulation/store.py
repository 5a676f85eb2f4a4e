"""The Store port of one worker over all regions: its accounts are read wherever they live."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from streams_app.databases import Regions, locality_of
from streams_app.errors import is_outage
from streams_app.systems.requests.model import Account, Context, Decision
from streams_app.systems.requests.store import RequestKey
from tests.simulation.base import Simulation
from tests.simulation.databases import Database, finished
from tests.simulation.regions import Pools


class RegionalStore(Pools):
    """Asks the databases, unless a region is known to be down."""

    def __init__(self, simulation: Simulation, databases: dict[str, Database], regions: Regions) -> None:
        super().__init__(simulation, databases)
        self._databases = databases
        self._homes = regions

    async def load(self, region: str, keys: Sequence[RequestKey]) -> list[Context]:
        tables = self._databases[region].tables
        contexts: list[Context] = await self.ask(region, lambda: finished(tables.load(region, keys)))
        return contexts

    async def complete(self, region: str, contexts: Sequence[Context]) -> list[Context]:
        if not contexts:
            return []
        tables = self._databases[region].tables
        completed: list[Context] = await self.ask(region, lambda: finished(tables.complete(region, contexts)))
        # Accounts are read by a later statement, wherever they live.
        wanted = {i for context in completed for i in _concerned(context)}
        accounts, unreached = await self._accounts(region, wanted)
        reached = [c for c in completed if unreached.isdisjoint(_concerned(c))]
        postponed = {c.request.request_id for c in completed} - {c.request.request_id for c in reached}
        self._simulation.postponed |= postponed
        self._simulation.note("postponed", count=len(postponed))
        return [replace(c, accounts={i: accounts[i] for i in _concerned(c) if i in accounts}) for c in reached]

    async def _accounts(self, home: str, account_ids: set[UUID]) -> tuple[dict[UUID, Account], set[UUID]]:
        by_region: dict[str, list[UUID]] = defaultdict(list)
        for account_id in sorted(account_ids):
            by_region[self._homes.of(locality_of(account_id))].append(account_id)
        reads = (self._accounts_of(region, ids) for region, ids in by_region.items())
        parts = await asyncio.gather(*reads, return_exceptions=True)
        accounts: dict[UUID, Account] = {}
        unreached: set[UUID] = set()
        for (region, ids), part in zip(by_region.items(), parts, strict=True):
            if not isinstance(part, BaseException):
                accounts |= {account.account_id: account for account in part}
            elif region != home and isinstance(part, Exception) and is_outage(part):
                unreached.update(ids)
            else:
                raise part
        return accounts, unreached

    async def _accounts_of(self, region: str, ids: list[UUID]) -> list[Account]:
        held = self._databases[region].tables.accounts
        found: list[Account] = await self.ask(region, lambda: [held[i] for i in ids if i in held])
        return found

    async def apply(self, region: str, decisions: Sequence[Decision]) -> set[UUID]:
        if not decisions:
            return set()
        database = self._databases[region]
        made: set[UUID] = await self.transaction(region, lambda: database.apply(decisions))
        return made

    async def overdue(
        self, region: str, before: dict[int, datetime], headless_before: datetime, limit: int
    ) -> list[RequestKey]:
        tables = self._databases[region].tables
        arguments = (region, before, headless_before, limit)
        keys: list[RequestKey] = await self.ask(region, lambda: finished(tables.overdue(*arguments)))
        return keys

    async def unheard(
        self, region: str, heard: Sequence[tuple[int, str]], before: datetime, limit: int
    ) -> list[RequestKey]:
        tables = self._databases[region].tables
        keys: list[RequestKey] = await self.ask(region, lambda: finished(tables.unheard(region, heard, before, limit)))
        return keys


def _concerned(context: Context) -> list[UUID]:
    return [context.request.primary_account_id, *(link.account_id for link in context.links)]
