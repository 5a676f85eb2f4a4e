"""Capture: executions are written down as they come, whatever their order, and take effect in their sequence.

The table is the reorder buffer: what comes too early waits there, also across restarts, until what it waits for comes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from typing import Final, TypeAlias
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


#: Executions by block order, as the key of their records says it, and by number.
Batch: TypeAlias = dict[str, dict[int, ExecutionChange]]


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
        self._known: set[str] = set()

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
        batch: Batch = {}
        for change in changes:
            own = _own(change)
            batch.setdefault(own.key, {}).setdefault(own.execution.seq, own)
        unknown = await self._unknown(batch.keys())
        fresh = {key: dict(sorted(batch[key].items())) for key in sorted(batch.keys() - unknown)}
        written = _Written({}, {})
        if fresh:
            written = await in_transaction(self._databases, route, lambda connection: self._write(connection, fresh))
        count = sum(map(len, fresh.values()))
        metrics.EFFECTS.labels(SYSTEM, route, "execution").inc(count - len(written.before))
        if count == len(changes) and not (written.before or written.rejected):
            return Outcome()
        return _outcome(changes, batch, unknown, written)

    async def _unknown(self, block_ids: Set[str]) -> set[str]:
        """Those that are no block orders: neither opened here, nor placed in orders."""
        missing = set(block_ids - self._known)
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

    async def _found(self, domain: DomainName, question: str, block_ids: Collection[str]) -> set[str]:
        async with self._databases.connection(domain) as connection:
            rows = await (await connection.execute(SQL[question], {"ids": words(block_ids)})).fetchall()
        return {str(block_id) for (block_id,) in rows}

    async def _write(self, connection: Connection, fresh: Batch) -> _Written:
        """Persist executions, and apply what is due of their block orders. Both are in order."""
        changes = [change for own in fresh.values() for change in own.values()]
        last = {key: max(own) for key, own in fresh.items()}
        async with connection.pipeline():
            locked = await connection.execute(SQL["lock_blocks"], {"ids": words(fresh)})
            rows = rows_of([(change.execution_id, change.execution) for change in changes])
            added = await connection.execute(SQL["persist"], rows)
            followed = await connection.execute(SQL["with_later"], keys_of(last.items()))
        blocks = read_blocks(await locked.fetchall())
        before: dict[Key, Stored] = {}
        if added.rowcount < len(changes):
            before = await stored(connection, set(map(_key, changes)) - set(await added.fetchall()))
        # Of these the batch does not hold all that is due.
        elsewhere = {block_id for (block_id,) in await followed.fetchall()} | {block_id for block_id, _ in before}
        due = [block for block in blocks.values() if last[str(block.block_order_id)] > block.applied_seq]
        at_hand = _at_hand([block for block in due if block.block_order_id not in elsewhere], fresh)
        effects = await apply_pending(connection, due, self._settings, at_hand)
        await self._publisher.publish(DOMAIN, effects.events, connection)
        faults = {_key(change): reason for change in changes if (reason := fault(change.execution)) is not None}
        return _Written(before, effects.rejected | faults)


def _at_hand(blocks: Sequence[Block], fresh: Batch) -> dict[UUID, list[Execution]]:
    """The executions of block orders that have come without a gap: nothing has to be read."""
    found: dict[UUID, list[Execution]] = {}
    for block in blocks:
        executions = [change.execution for change in fresh[str(block.block_order_id)].values()]
        if len(contiguous(block.applied_seq, executions)) == len(executions):
            found[block.block_order_id] = executions
    return found


def _outcome(changes: Sequence[Change], batch: Batch, unknown: Set[str], written: _Written) -> Outcome:
    rejected, stale = [], []
    for change in map(_own, changes):
        key, first = _key(change), batch[change.key][change.execution.seq]
        if change.key in unknown:
            rejected.append(Rejection(change, "unknown_order", f"there is no block order {change.key}"))
        elif (reason := _reason(change.execution, first.execution, written)) is not None:
            rejected.append(Rejection(change, reason, f"execution {key[1]} of block order {change.key}"))
        elif key in written.before or change is not first:
            stale.append(change)
    return Outcome(rejected, stale=stale)


def _reason(execution: Execution, first: Execution, written: _Written) -> str | None:
    """Why an execution is a dead letter, if it is; `first` has its number in the batch."""
    key = execution.block_order_id, execution.seq
    before = written.before.get(key)
    if (reason := fault(execution)) is not None:
        return reason
    if execution != (before.execution if before is not None else first):
        return "execution_conflict"
    return written.rejected.get(key) or (before.rejected if before is not None else None)


def _key(change: ExecutionChange) -> Key:
    return change.execution.block_order_id, change.execution.seq


def _own(change: Change) -> ExecutionChange:
    assert isinstance(change, ExecutionChange)
    return change
