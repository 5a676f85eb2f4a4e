"""The two worlds of the fences' contract suite: PostgreSQL, and dictionaries with locks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from typing import Any, Protocol

from streams_app.databases import Databases
from streams_app.databases.fences import Fence, Guarded, Place, advance, guarding
from tests.contract.memory_fences import MemoryFences

REGION = "us-central"


class Stage(Protocol):
    """One region."""

    def transaction(self, fence: Fence, *places: Place) -> AbstractAsyncContextManager[Any]:
        """A transaction with records of partitions. Raises FencedError before the block begins."""
        ...

    async def advance(self, group: str) -> None:
        """Make a group's claims void."""


class PostgresStage:
    """A regional database behind its PgBouncer."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    @asynccontextmanager
    async def transaction(self, fence: Fence, *places: Place) -> AsyncIterator[None]:
        with guarding(fence, places):
            async with self._databases.transaction(REGION):
                yield

    async def advance(self, group: str) -> None:
        async with self._databases.transaction(REGION) as connection:
            await advance(connection, REGION, group)


class MemoryStage:
    """Row locks are held until the transaction ends; what fails is rolled back."""

    def __init__(self) -> None:
        self._fences = MemoryFences(REGION)
        self._shared: Counter[tuple[str, Place]] = Counter()
        self._exclusive: set[tuple[str, Place]] = set()
        self._released = asyncio.Condition()

    @asynccontextmanager
    async def transaction(self, fence: Fence, *places: Place) -> AsyncIterator[None]:
        guarded = Guarded(fence, tuple(sorted(places)))
        rows = [(fence.group, place) for place in guarded.places]
        claims = self._fences.is_claim(guarded)
        async with self._released:
            await self._released.wait_for(lambda: not any(self._is_taken(row, claims) for row in rows))
            before = deepcopy(self._fences._rows)
            claimed = self._fences.pass_fence(guarded)
            self._shared.update([] if claims else rows)
            self._exclusive.update(rows if claims else [])
        try:
            yield
        except BaseException:
            self._fences._rows |= {row: before[row] for row in rows if row in before}
            for row in rows if claims else ():
                if row not in before:
                    del self._fences._rows[row]
            raise
        finally:
            async with self._released:
                self._shared.subtract([] if claims else rows)
                self._exclusive.difference_update(rows if claims else [])
                self._released.notify_all()
        fence.claims.setdefault(REGION, {}).update(claimed)

    def _is_taken(self, row: tuple[str, Place], claims: bool) -> bool:
        return row in self._exclusive or (claims and self._shared[row] > 0)

    async def advance(self, group: str) -> None:
        self._fences.advance(group)
