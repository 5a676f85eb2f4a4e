"""The regional databases: the tables of the contract suite behind a network that fails, and a log of their commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from streams_app.databases.fences import Guarded
from streams_app.errors import FencedError
from streams_app.systems.requests.model import Decision, Head, Request, Signal, Transition
from streams_app.systems.requests.store import RequestKey
from tests.contract.memory_store import MemoryStore, key_of
from tests.simulation.base import Server, Simulation


@dataclass(frozen=True, slots=True)
class Committed:
    """One row change in the order of the region's commits: what a changefeed reads."""

    table: str
    key: RequestKey
    row: Request | Head | Signal
    number: int
    time: float
    created: bool


@dataclass(slots=True)
class Statement:
    """A statement on its way."""

    work: Callable[[], Any]
    writes: bool
    done: bool = False


class Database(Server):
    """One region's database. Statements take effect at one moment, between the request and the answer."""

    def __init__(self, simulation: Simulation, region: str, tables: MemoryStore) -> None:
        super().__init__(simulation, region)
        self.region = region
        self.tables = tables
        self.is_up = asyncio.Event()
        self.is_up.set()
        #: Whether a region that is down swallows what is sent to it, instead of an error.
        self.deaf = False
        self.log: list[Committed] = []
        self.on_commit: list[Callable[[], None]] = []
        #: Requests whose steps from this number on are refused for good, as by a constraint.
        self.poisoned: dict[UUID, int] = {}
        #: The generation that claimed a partition.
        self.fences: dict[tuple[str, int], int] = {}
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

    def append(self, table: str, key: RequestKey, row: Request | Head | Signal, *, created: bool) -> None:
        """Put a row change into the log of commits."""
        self.log.append(Committed(table, key, row, len(self.log) + 1, self.simulation.loop.time(), created))

    def committed(self) -> None:
        """Wake whoever reads the log."""
        for wake in self.on_commit:
            wake()

    def insert(self, request: Request, first_event: Transition | None) -> None:
        """A front office writes a request, alone or with its first event."""
        key = key_of(request)
        self.tables.requests[key] = request
        self.append("request_info", key, request, created=True)
        if first_event is not None:
            head = Head(first_event.link_id, first_event.status, 1, first_event.event_ts)
            self.tables.heads[key], self.tables.log[key] = head, [first_event]
            self.append("request_status_head", key, head, created=True)
        self.committed()

    def insert_signal(self, key: RequestKey, signal: Signal) -> None:
        """Somebody outside says something of a request."""
        self.tables.signals.setdefault(key, []).append(signal)
        self.append("request_signal", key, signal, created=True)
        self.committed()

    def apply(self, decisions: Sequence[Decision], guarded: Guarded | None) -> set[UUID]:
        """One transaction. Raises FencedError."""
        self._pass_fence(guarded)
        for decision in decisions:
            step = decision.transition
            if step.expected_seq >= self.poisoned.get(step.request_id, step.expected_seq + 1):
                self.simulation.note("poisoned_transactions", step.request_id)
                raise errors.CheckViolation("new row violates a check constraint")
        tables = self.tables
        before = {d.transition.request_id: tables.requests[_key(d)].status for d in decisions}
        made: set[UUID] = finished(tables.apply(self.region, decisions))
        for decision in decisions:
            key = _key(decision)
            if key.request_id in made:
                head = tables.heads[key]
                self.append("request_status_head", key, head, created=head.seq_num == 1)
                if before[key.request_id] is not head.status:
                    self.append("request_info", key, tables.requests[key], created=False)
                self.simulation.note("steps", f"{key.request_id} {head.seq_num} {decision.transition.idempotency_key}")
        self.simulation.tally["refused"] += len(decisions) - len(made)
        self.committed()
        return made

    def _pass_fence(self, guarded: Guarded | None) -> None:
        """As the table delivery_fence."""
        for place in guarded.places if guarded is not None else ():
            assert guarded is not None
            if self.fences.get(place, 0) > guarded.fence.generation:
                self.simulation.note("fenced_transactions", f"{place} {guarded.fence.generation}")
                raise FencedError(str(place))
            self.fences[place] = guarded.fence.generation


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the tables in memory await nothing")


def _key(decision: Decision) -> RequestKey:
    return RequestKey(decision.transition.locality, decision.transition.request_id)
