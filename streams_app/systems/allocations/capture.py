"""Capture: executions are written down as they come, whatever their order, and take effect in their sequence.

The table is the reorder buffer: what comes too early waits there, also across restarts, until what it waits for comes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

from streams_app import metrics
from streams_app.allocation_settings import AllocationSettings, DomainName
from streams_app.backoff import Backoff
from streams_app.changefeed import Change, RecordLike
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import EventPublisher
from streams_app.delivery.ports import Outcome, Rejection
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError, RegionUnavailableError
from streams_app.systems.allocations.applying import (
    SQL,
    Key,
    Stored,
    apply_pending,
    contiguous,
    keys_of,
    read_blocks,
    rows_of,
    stored,
    words,
)
from streams_app.systems.allocations.execution_messages import ExecutionChange, read_execution
from streams_app.systems.allocations.executions import fault
from streams_app.systems.allocations.model import Block, Execution

SYSTEM: Final = "allocations_capture"
DOMAIN: Final[DomainName] = "allocations"
# Seconds that a batch may fail by conflicts and time-outs, before its executions are tried apart.
RETRY_BUDGET: Final = 60.0
# How often a block order is looked for, over about two seconds in all: the feed of trades may be faster than a look at
# orders sees the commit that wrote it.
_LOOKS: Final = 6
_PATIENCE: Final = Backoff(first=0.05, most=1.0)
# Ids of block orders that are remembered as known; then they are asked for again.
_MOST_KNOWN: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of executions: those that were there before, and those that have no effect."""

    before: dict[Key, Stored]
    rejected: dict[Key, str]


class ExecutionCapture:
    """Takes the executions of the changefeed into the domain allocations."""

    system = SYSTEM
    # Their sequence is kept in the table.
    history = None

    def __init__(self, databases: Databases, settings: AllocationSettings, publisher: EventPublisher) -> None:
        self._databases = databases
        self._settings = settings
        self._publisher = publisher
        self._known: set[UUID] = set()

    def decode(self, record: RecordLike) -> ExecutionChange | None:
        """The execution in a record, or None. Raises Undecodable and Rejected."""
        return read_execution(record)

    def route(self, change: Change) -> str:
        """The domain."""
        return DOMAIN

    def ended(self, change: Change) -> bool:
        """A BUST may come at any time."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Write executions down and apply what is in sequence. Raises RegionUnavailableError, FencedError, and what
        failed for good.

        Rejected: unknown_order, execution_conflict (its number stands for another one), and what has no effect.
        """
        return await until_done(
            lambda: self._capture(route, changes),
            what=f"{self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
            budget=RETRY_BUDGET,
        )

    async def _capture(self, route: str, changes: Sequence[Change]) -> Outcome:
        first: dict[Key, ExecutionChange] = {}
        for change in changes:
            first.setdefault(_key(change), _own(change))
        unknown = await self._unknown({block_id for block_id, _ in first})
        fresh = {key: first[key] for key in sorted(first) if key[0] not in unknown}
        written = _Written({}, {})
        if fresh:
            written = await in_transaction(self._databases, route, lambda connection: self._write(connection, fresh))
        metrics.EFFECTS.labels(SYSTEM, route, "execution").inc(len(fresh) - len(written.before))
        rejected, stale = [], []
        for change in changes:
            if (obstacle := _obstacle(_own(change), first, unknown, written)) is not None:
                rejected.append(Rejection(change, *obstacle))
            elif _key(change) in written.before or first[_key(change)] is not change:
                stale.append(change)
        return Outcome(rejected, stale=stale)

    async def _unknown(self, block_ids: set[UUID]) -> set[UUID]:
        """Those that are no block orders: neither opened here, nor placed in orders."""
        missing = block_ids - self._known
        if missing:
            missing -= await self._found(DOMAIN, "open_blocks", missing)
        for look in range(_LOOKS):
            if not missing:
                break
            if look:
                await asyncio.sleep(_PATIENCE.pause(look, random.random()))  # noqa: S311 (spread, not secrecy)
            missing -= await self._found("orders", "placed_blocks", missing)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known |= block_ids - missing
        return missing

    async def _found(self, domain: DomainName, question: str, block_ids: Collection[UUID]) -> set[UUID]:
        async with self._databases.connection(domain) as connection:
            rows = await (await connection.execute(SQL[question], {"ids": words(block_ids)})).fetchall()
        return {block_id for (block_id,) in rows}

    async def _write(self, connection: Connection, fresh: Mapping[Key, ExecutionChange]) -> _Written:
        """Persist executions (by key, in its order), and apply what is due of their block orders."""
        by_block = {
            block: list(own) for block, own in groupby(fresh.values(), lambda each: each.execution.block_order_id)
        }
        last = {block: own[-1].execution.seq for block, own in by_block.items()}
        async with connection.pipeline():
            locked = await connection.execute(SQL["lock_blocks"], {"ids": words(by_block)})
            rows = rows_of([(each.execution_id, each.execution) for each in fresh.values()])
            added = await connection.execute(SQL["persist"], rows)
            followed = await connection.execute(SQL["with_later"], keys_of(last.items()))
        blocks = read_blocks(await locked.fetchall())
        before: dict[Key, Stored] = {}
        if added.rowcount < len(fresh):
            before = await stored(connection, fresh.keys() - set(await added.fetchall()))
        # Of these the batch does not hold all that is due.
        elsewhere = {block_id for (block_id,) in await followed.fetchall()} | {block_id for block_id, _ in before}
        due = [block for block_id, block in blocks.items() if last[block_id] > block.applied_seq]
        at_hand = _at_hand([block for block in due if block.block_order_id not in elsewhere], by_block)
        effects = await apply_pending(connection, due, self._settings, at_hand)
        await self._publisher.publish(DOMAIN, effects.events, connection)
        return _Written(before, effects.rejected)


def _at_hand(
    blocks: Sequence[Block], changes: Mapping[UUID, Sequence[ExecutionChange]]
) -> dict[UUID, Sequence[Execution]]:
    """The executions of block orders that have come without a gap: nothing has to be read."""
    found: dict[UUID, Sequence[Execution]] = {}
    for block in blocks:
        executions = [change.execution for change in changes[block.block_order_id]]
        if len(contiguous(block.applied_seq, executions)) == len(executions):
            found[block.block_order_id] = executions
    return found


def _obstacle(
    change: ExecutionChange, first: Mapping[Key, ExecutionChange], unknown: Collection[UUID], written: _Written
) -> tuple[str, str] | None:
    """Why an execution is a dead letter: reason and detail."""
    execution, key = change.execution, _key(change)
    name = f"execution {execution.seq} of block order {execution.block_order_id}"
    if execution.block_order_id in unknown:
        return "unknown_order", f"there is no block order {execution.block_order_id}"
    reason = fault(execution)
    if reason is None:
        before = written.before.get(key)
        stands = before.execution if before is not None else first[key].execution
        if stands != execution:
            return "execution_conflict", f"{name} came before with another content"
        reason = written.rejected.get(key) or (before.rejected if before is not None else None)
    return (reason, f"{name} has no effect") if reason is not None else None


def _key(change: Change) -> Key:
    execution = _own(change).execution
    return execution.block_order_id, execution.seq


def _own(change: Change) -> ExecutionChange:
    assert isinstance(change, ExecutionChange)
    return change
