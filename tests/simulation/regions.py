"""A region's database behind a network that fails: what every system's tables have around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from streams_app.databases.breaker import Breaker
from streams_app.databases.fences import Guarded, Place, current
from streams_app.errors import FencedError, RegionUnavailableError, is_outage
from tests.contract.memory_fences import MemoryFences
from tests.simulation.base import Server, Simulation

REGION_TIMEOUT = 3.0


@dataclass(slots=True)
class Statement:
    """A statement on its way."""

    work: Callable[[], Any]
    writes: bool
    done: bool = False


class Region(Server):
    """One region's database. Statements take effect at one moment, between the request and the answer."""

    def __init__(self, simulation: Simulation, region: str) -> None:
        super().__init__(simulation, region)
        self.region = region
        self.is_up = asyncio.Event()
        self.is_up.set()
        #: Whether a region that is down swallows what is sent to it, instead of an error.
        self.deaf = False
        self.on_commit: list[Callable[[], None]] = []
        self._fences = MemoryFences(region)
        #: Told of every transaction before it is committed.
        self.on_transaction: Callable[[Guarded | None], None] = lambda guarded: None
        self._in_flight: dict[asyncio.Future[Any], Statement] = {}

    @property
    def idle(self) -> bool:
        """Whether no step is on its way."""
        return not any(statement.writes for statement in self._in_flight.values())

    async def call_or_fail(self, work: Callable[[], Any], *, writes: bool = False) -> Any:
        """The result of `work`. Raises what psycopg raises, also after the work took effect."""
        loop = self.simulation.loop
        future = loop.create_future()
        self._in_flight[future] = Statement(work, writes)
        loop.call_later(self._travel(), self._execute, future, context=self.process.context)
        return await future

    def _travel(self) -> float:
        if self.simulation.happens(self.simulation.chances.slow):
            self.simulation.note("slow_statements", self.region)
            return 4 * self.simulation.rng.random()
        return self.delay()

    def _execute(self, future: asyncio.Future[Any]) -> None:
        statement = self._in_flight.get(future)
        if statement is None:
            return  # the outage took it
        if not self.is_up.is_set():
            if self.deaf:
                self._in_flight.pop(future)
            else:
                self._finish(future, psycopg.OperationalError("connection refused"))
            return
        simulation, chances = self.simulation, self.simulation.chances
        if simulation.happens(chances.transient):
            simulation.note("transient_errors", self.region)
            kinds = (errors.SerializationFailure, errors.DeadlockDetected, errors.AdminShutdown, PoolTimeout)
            self._finish(future, simulation.rng.choice(kinds)("try again"))
            return
        ambiguous = simulation.happens(chances.ambiguous)
        if ambiguous and simulation.rng.random() < 0.5:
            simulation.note("ambiguous_not_committed", self.region)
            self._finish(future, self._ambiguous())
            return
        result = self._result(statement)
        if ambiguous:
            result = self._ambiguous()
            if statement.writes:
                simulation.note("ambiguous_committed", self.region)
        simulation.loop.call_later(self._travel(), self._finish, future, result, context=self.process.context)

    @staticmethod
    def _result(statement: Statement) -> Any:
        statement.done = True
        try:
            return statement.work()
        except Exception as error:
            return error

    def _ambiguous(self) -> psycopg.Error:
        if self.simulation.rng.random() < 0.5:
            return errors.StatementCompletionUnknown("result is ambiguous")
        return psycopg.OperationalError("server closed the connection unexpectedly")

    def _finish(self, future: asyncio.Future[Any], result: Any) -> None:
        self._in_flight.pop(future, None)
        self._deliver(future, result)

    def fail(self, *, deaf: bool) -> None:
        """The region goes away; what is on its way there, done or not, is answered by an error, or by nothing."""
        self.is_up.clear()
        self.deaf = deaf
        self.simulation.note("outages_deaf" if deaf else "outages", self.region)
        for future, statement in self._in_flight.items():
            if statement.done and statement.writes:
                self.simulation.note("ambiguous_committed", f"{self.region}, by its outage")
            if not deaf:
                self._deliver(future, psycopg.OperationalError("connection reset by peer"))
        self._in_flight.clear()

    def recover(self) -> None:
        """The region is back."""
        self.is_up.set()
        self.committed()

    def committed(self) -> None:
        """Wake whoever reads the log."""
        for wake in self.on_commit:
            wake()

    def transaction(self, work: Callable[[], Any], guarded: Guarded | None) -> tuple[Any, dict[Place, int]]:
        """The result of a transaction, and what it claimed. Raises FencedError, and what `work` raises."""
        claimed = {}
        if guarded is not None:
            try:
                claimed = self._fences.pass_fence(guarded)
            except FencedError as error:
                self.simulation.note("fenced_transactions", error)
                raise
        result = work()
        self.on_transaction(guarded)
        return result, claimed


class Pools:
    """One worker's way to all regions, with its breakers and time limits, as Databases has them."""

    def __init__(self, simulation: Simulation, regions: Mapping[str, Region]) -> None:
        self._simulation = simulation
        self._regions = regions
        self._breakers = {name: Breaker(open_after=1.0, probe_every=0.5) for name in regions}

    def is_down(self, region: str) -> bool:
        """Whether the region's breaker is open."""
        return self._breakers[region].is_open

    async def ask(self, region: str, work: Callable[[], Any], *, writes: bool = False) -> Any:
        """The result of `work`. Raises what `Databases.connection` raises."""
        breaker, loop = self._breakers[region], self._simulation.loop
        began = loop.time()
        if not breaker.allows(began):
            raise RegionUnavailableError(region)
        try:
            async with asyncio.timeout(REGION_TIMEOUT):
                result = await self._regions[region].call_or_fail(work, writes=writes)
        except Exception as error:
            if is_outage(error):
                was_open = breaker.is_open
                breaker.failed(began, loop.time())
                self._simulation.note("breakers_opened", region, int(breaker.is_open and not was_open))
            raise
        breaker.succeeded()
        return result

    async def transaction(self, region: str, work: Callable[[], Any]) -> Any:
        """The result of a transaction. Raises what `Databases.transaction` raises."""
        guarded, database = current(), self._regions[region]
        result, claimed = await self.ask(region, lambda: database.transaction(work, guarded), writes=True)
        if guarded is not None and claimed:
            guarded.fence.claims.setdefault(region, {}).update(claimed)
        return result
