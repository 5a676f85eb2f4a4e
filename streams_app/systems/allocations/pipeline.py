"""The steps over the domains' databases, without anything between them: whoever has it hands their events on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from streams_app.allocation_settings import StepName
from streams_app.changefeed import Op
from streams_app.databases import Databases, Statements
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import Event, EventPublisher
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.allocations import planning
from streams_app.systems.allocations.blocker import Blocker
from streams_app.systems.allocations.booker import Booker
from streams_app.systems.allocations.capture import ExecutionCapture
from streams_app.systems.allocations.closer import Closer
from streams_app.systems.allocations.execution_messages import ExecutionChange
from streams_app.systems.allocations.filler import Filler
from streams_app.systems.allocations.market import Market, Ticker
from streams_app.systems.allocations.messages import EXECUTIONS, MARKET_ORDERS
from streams_app.systems.allocations.model import Execution, ExecutionKind
from streams_app.systems.allocations.oms import Oms
from streams_app.systems.allocations.opener import Opener
from streams_app.systems.allocations.quotes import Quotes
from streams_app.systems.allocations.reconciler import Reconciler, reconcile
from streams_app.systems.allocations.router import Router
from streams_app.systems.allocations.steps import Step

SQL = Statements(Path(__file__).with_name("pipeline.sql"))
# Looks at what is booked, before it is said that it does not end.
_LOOKS: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rebalance of a simulation. One of the same id has the same block orders, which the market fills in the same
    pieces."""

    rebalance_id: UUID
    group: str
    day: date

    async def begin(self, databases: Databases, publisher: EventPublisher, settings: Settings) -> None:
        """Begin it. Raises what planning does."""
        await planning.begin(databases, publisher, self.group, self.day, settings.allocations, self.rebalance_id)


class Collected:
    """Events in memory, in the place of an outbox."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}

    async def publish(self, region: str, events: Sequence[Event], transaction: Any) -> int:
        """Keep events. A unit of work that is done again says the same again."""
        self._events |= {event.event_id: event for event in events}
        return len(events)

    def take(self) -> list[Event]:
        """What was published since the last call."""
        events, self._events = self._events, {}
        return list(events.values())


class Pipeline:
    """All steps, each unit of work a transaction of its own; and the market, which executes round by round."""

    def __init__(self, databases: Databases, settings: Settings) -> None:
        quotes, allocations = Quotes(databases), settings.allocations
        steps: tuple[Step, ...] = (
            Router(quotes, allocations),
            Blocker(),
            Oms(quotes),
            Market(),
            Opener(databases, allocations),
            Filler(),
            Booker(allocations),
            Closer(),
            Reconciler(),
        )
        self._steps = {step.topic: step for step in steps}
        self._ticker = Ticker(databases, allocations)
        self._databases = databases
        self._allocations = allocations
        # Those that nobody uses; each has one unit of work at a time.
        self._captures: list[tuple[ExecutionCapture, Collected]] = []
        # By block order that the market works on: the last execution that was handed on.
        self._working: dict[UUID, int] = {}

    @property
    def working(self) -> int:
        """How many orders the market has that are not done."""
        return len(self._working)

    def step_of(self, topic: str) -> StepName:
        """The step that takes what comes from a topic."""
        return "capture" if topic == EXECUTIONS else self._steps[topic].name

    async def unit(self, topic: str, items: Sequence[Any]) -> Sequence[Event]:
        """One unit of work: what the step of `topic` makes of events, or capture of executions. Raises what it does."""
        if topic == EXECUTIONS:
            return await self._capture(items)
        step, payloads = self._steps[topic], [event.payload for event in items]
        events = await in_transaction(self._databases, step.domain, partial(step.work, payloads=payloads))
        if topic == MARKET_ORDERS:
            self._working |= {UUID(payload["block_order_id"]): 0 for payload in payloads}
        return events

    async def round(self) -> list[ExecutionChange]:
        """Let the market execute, and return the executions that were not returned before."""
        if not self._working:
            return []
        await self._ticker.round()
        seen = {"block_order_ids": list(self._working), "seqs": list(self._working.values())}
        async with self._databases.connection("trades") as connection:
            rows = await (await connection.execute(SQL["made"], seen)).fetchall()
        for block_order_id, _, seq, kind, *_ in rows:
            self._working[block_order_id] = seq
            if kind == ExecutionKind.DONE:
                del self._working[block_order_id]
        return [_change(*row) for row in rows]

    async def finish(self) -> None:
        """Reconcile until the rebalance has ended. Raises StartError when it does not."""
        for _ in range(_LOOKS):
            if (await reconcile(self._databases, self._allocations)).ended:
                return
            await asyncio.sleep(0.1)
        raise StartError("all steps are done, and what is booked does not match: look at `allocations breaks`")

    async def _capture(self, changes: Sequence[ExecutionChange]) -> Sequence[Event]:
        if self._captures:
            capture, published = self._captures.pop()
        else:
            published = Collected()
            capture = ExecutionCapture(self._databases, self._allocations, published)
        await capture.process("allocations", changes)
        self._captures.append((capture, published))
        return published.take()


def _change(block_order_id: UUID, execution_id: UUID, *values: Any) -> ExecutionChange:
    """A row of the market as if a changefeed had brought it."""
    seq, kind, quantity, price, executed_at, ref_seq = values
    return ExecutionChange(
        topic=EXECUTIONS,
        partition=0,
        offset=0,
        key=str(block_order_id),
        version=None,
        op=Op.INSERT,
        before=None,
        after=None,
        headers=(),
        source_time=executed_at.timestamp(),
        table=None,
        region=None,
        key_parts=(),
        execution_id=execution_id,
        execution=Execution(block_order_id, seq, ExecutionKind(kind), quantity, price, executed_at, ref_seq),
    )
