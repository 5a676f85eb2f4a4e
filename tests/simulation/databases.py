"""The requests system's regional databases: the tables of the contract suite, and a log of their commits."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import errors

from streams_app.systems.requests.model import Decision, Head, Request, Signal, Transition
from streams_app.systems.requests.store import RequestKey
from tests.contract.memory_store import MemoryStore, key_of
from tests.simulation.base import Simulation
from tests.simulation.regions import Region


@dataclass(frozen=True, slots=True)
class Committed:
    """One row change in the order of the region's commits: what a changefeed reads."""

    table: str
    key: RequestKey
    row: Request | Head | Signal
    number: int
    time: float
    created: bool


class Database(Region):
    """One region's database of the requests system."""

    def __init__(self, simulation: Simulation, region: str, tables: MemoryStore) -> None:
        super().__init__(simulation, region)
        self.tables = tables
        self.log: list[Committed] = []
        #: Requests whose steps from this number on are refused for good, as by a constraint.
        self.poisoned: dict[UUID, int] = {}

    def append(self, table: str, key: RequestKey, row: Request | Head | Signal, *, created: bool) -> None:
        """Put a row change into the log of commits."""
        self.log.append(Committed(table, key, row, len(self.log) + 1, self.simulation.loop.time(), created))

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

    def apply(self, decisions: Sequence[Decision]) -> set[UUID]:
        """The effects of one transaction."""
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


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that awaits nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the tables in memory await nothing")


def _key(decision: Decision) -> RequestKey:
    return RequestKey(decision.transition.locality, decision.transition.request_id)
