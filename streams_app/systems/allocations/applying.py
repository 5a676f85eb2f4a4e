"""Executions that are in the tables take effect: block orders move on, snapshots go to the parts of their accounts.

What capture, the opener and the filling of gaps share. Whoever calls holds the rows of the block orders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings
from streams_app.databases import Statements
from streams_app.databases.arrays import numbers
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.apportion import shares
from streams_app.systems.allocations.executions import Applied, apply, fault
from streams_app.systems.allocations.messages import block_closed, part_due
from streams_app.systems.allocations.model import Block, Execution, ExecutionKind, Share, Side, Snapshot, SnapshotKind

SQL = Statements(Path(__file__).with_name("capture.sql"))

_STANDING: Final = frozenset({ExecutionKind.FILL, ExecutionKind.CORRECT})
#: A block order and the sequence number of an execution of it.
Key: TypeAlias = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """An execution as its row says."""

    execution: Execution
    is_ended: bool
    rejected: str | None

    @property
    def stands(self) -> bool:
        """Whether a BUST or CORRECT may name it, once it has been applied."""
        return not self.is_ended and self.rejected is None and self.execution.kind in _STANDING


@dataclass(frozen=True, slots=True)
class Effects:
    """What executions led to: events to publish, and those without effect with their reasons."""

    events: list[Event] = field(default_factory=list)
    rejected: dict[Key, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Part:
    """Accounts of a block order that are filled together, and how many shares snapshots have given them."""

    block_order_id: UUID
    part_no: int
    ordered: int
    allotted: int


#: What a part gets of a snapshot, with the snapshot's number.
_Due: TypeAlias = tuple[_Part, int, Share]


def read_blocks(rows: Iterable[Sequence[Any]]) -> dict[UUID, Block]:
    """Block orders by id, of rows of `lock_blocks`."""
    found: dict[UUID, Block] = {}
    for block_order_id, rebalance_id, security_id, side, *rest in rows:
        found[block_order_id] = Block(block_order_id, rebalance_id, security_id, Side(side), *rest)
    return found


async def lock_blocks(connection: Connection, block_order_ids: Iterable[UUID]) -> dict[UUID, Block]:
    """The block orders that are open, held until the transaction ends."""
    found = await connection.execute(SQL["lock_blocks"], {"ids": words(block_order_ids)})
    return read_blocks(await found.fetchall())


def rows_of(executions: Sequence[tuple[UUID, Execution]]) -> dict[str, Any]:
    """Arguments of `persist`: executions with their ids. They are in the order of their keys, as everywhere: two that
    write the same rows do not wait for each other in a circle."""
    return {
        **keys_of((execution.block_order_id, execution.seq) for _, execution in executions),
        "execution_ids": words(execution_id for execution_id, _ in executions),
        "kinds": words(execution.kind for _, execution in executions),
        "ref_seqs": words(execution.ref_seq for _, execution in executions),
        "quantities": numbers(execution.quantity for _, execution in executions),
        "prices": words(execution.price for _, execution in executions),
        "times": words(execution.executed_at.isoformat() for _, execution in executions),
        "faults": words(fault(execution) for _, execution in executions),
    }


def keys_of(keys: Iterable[tuple[UUID | str, int]]) -> dict[str, Any]:
    """Arguments of the statements that ask by key."""
    pairs = list(keys)
    return {"ids": words(block for block, _ in pairs), "seqs": numbers(seq for _, seq in pairs)}


def words(values: Iterable[object]) -> str:
    """The literal of an array whose elements need no quotes; None is NULL."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"


async def stored(connection: Connection, keys: Collection[Key]) -> dict[Key, Stored]:
    """The executions of these keys that are in the table."""
    if not keys:
        return {}
    rows = await (await connection.execute(SQL["stored"], keys_of(keys))).fetchall()
    return {(row[0], row[1]): Stored(read_execution_row(row[:7]), row[7], row[8]) for row in rows}


def read_execution_row(row: Sequence[Any]) -> Execution:
    """An execution of its columns."""
    block_order_id, seq, kind, *rest = row
    return Execution(block_order_id, seq, ExecutionKind(kind), *rest)


async def apply_pending(
    connection: Connection,
    blocks: Collection[Block],
    settings: AllocationSettings,
    at_hand: Mapping[UUID, Sequence[Execution]],
) -> Effects:
    """Apply what follows each block order's `applied_seq` without gaps, in the transaction that holds their rows.

    `at_hand` has it for block orders that have nothing else in the table; of the others it is read there.
    """
    elsewhere = [block for block in blocks if block.block_order_id not in at_hand]
    due = {**at_hand, **await _pending(connection, elsewhere)}
    blocks = [block for block in blocks if due.get(block.block_order_id)]
    named = await stored(connection, _named_before(blocks, due))
    known: dict[UUID, dict[int, Execution]] = {}
    gone: dict[UUID, set[int]] = {}
    for (block_id, seq), found in named.items():
        if found.is_ended:
            gone.setdefault(block_id, set()).add(seq)
        elif found.stands:
            known.setdefault(block_id, {})[seq] = found.execution
    share, band = settings.snapshot_share, settings.price_band
    made = []
    for block in blocks:
        own = block.block_order_id
        made.append((block, apply(block, due[own], known.get(own, {}), gone.get(own, ()), share, band)))
    return await _write(connection, made) if made else Effects()


async def _pending(connection: Connection, blocks: Sequence[Block]) -> dict[UUID, list[Execution]]:
    if not blocks:
        return {}
    after = {block.block_order_id: block.applied_seq for block in blocks}
    rows = await (await connection.execute(SQL["pending"], keys_of(after.items()))).fetchall()
    found: dict[UUID, list[Execution]] = {}
    for block_id, own in groupby(rows, key=lambda row: row[0]):
        found[block_id] = contiguous(after[block_id], map(read_execution_row, own))
    return found


def contiguous(after: int, executions: Iterable[Execution]) -> list[Execution]:
    """The first of `executions`, which are in sequence, as long as they follow `after` without a gap."""
    taken: list[Execution] = []
    for execution in executions:
        if execution.seq != after + len(taken) + 1:
            break
        taken.append(execution)
    return taken


def _named_before(blocks: Iterable[Block], due: Mapping[UUID, Sequence[Execution]]) -> set[Key]:
    """What a BUST or CORRECT names that was applied before."""
    return {
        (block.block_order_id, execution.ref_seq)
        for block in blocks
        for execution in due[block.block_order_id]
        if execution.ref_seq is not None and execution.ref_seq <= block.applied_seq
    }


async def _write(connection: Connection, made: Sequence[tuple[Block, Applied]]) -> Effects:
    taken = [(applied.block, snapshot) for _, applied in made for snapshot in applied.snapshots]
    ended = [(applied.block.block_order_id, seq) for _, applied in made for seq in applied.ended]
    rejected = {(applied.block.block_order_id, seq): reason for _, applied in made for seq, reason in applied.rejected}
    async with connection.pipeline():
        await connection.execute(SQL["advance"], _progress([applied.block for _, applied in made]))
        if ended:
            await connection.execute(SQL["end_executions"], keys_of(ended))
        if rejected:
            await connection.execute(
                SQL["reject_executions"], {**keys_of(rejected), "reasons": words(rejected.values())}
            )
        if taken:
            await connection.execute(SQL["add_snapshots"], _snapshots(taken))
            of_taken = {"ids": words({block.block_order_id for block, _ in taken})}
            parts = await connection.execute(SQL["parts"], of_taken)
    events = await _give_to_parts(connection, taken, await parts.fetchall()) if taken else []
    events += [event for before, applied in made for event in _closed(before, applied.block)]
    return Effects(events, rejected)


def _closed(before: Block, after: Block) -> list[Event]:
    """What is said when the market is done, and again when something changes afterwards."""
    if not after.is_done:
        return []
    if before.is_done and (before.executed, before.amount) == (after.executed, after.amount):
        return []
    return block_closed(after.block_order_id, after.rebalance_id, after.executed, after.amount, after.applied_seq)


async def _give_to_parts(
    connection: Connection, taken: Sequence[tuple[Block, Snapshot]], rows: Iterable[Sequence[Any]]
) -> list[Event]:
    """Divide snapshots among the parts of their block orders (rows of `parts`): what is given by what parts still want,
    what is taken back by what they have."""
    blocks = {block.block_order_id: block for block, _ in taken}
    parts = {block_id: [_Part(*row) for row in own] for block_id, own in groupby(rows, key=lambda row: row[0])}
    dues = [due for block, snapshot in taken for due in _divided(snapshot, parts[block.block_order_id])]
    async with connection.pipeline():
        await connection.execute(SQL["allot"], _allotted({id(part): part for part, _, _ in dues}.values()))
        await connection.execute(SQL["add_dues"], _dues(dues))
    return [
        part_due(part.block_order_id, blocks[part.block_order_id].rebalance_id, part.part_no, number)
        for part, number, _ in dues
    ]


def _divided(snapshot: Snapshot, parts: Sequence[_Part]) -> Iterator[_Due]:
    """What parts get of a snapshot, those that get nothing left out; they have it from now on."""
    if snapshot.kind is SnapshotKind.FILL:
        weights = [part.ordered - part.allotted for part in parts]
    else:
        weights = [part.allotted for part in parts]
    for part, share in zip(parts, shares(snapshot.quantity, snapshot.amount, weights), strict=True):
        if share.quantity:
            part.allotted += share.quantity
            yield part, snapshot.number, share


def _progress(blocks: Sequence[Block]) -> dict[str, Any]:
    return {
        "ids": words(block.block_order_id for block in blocks),
        "executed": numbers(block.executed for block in blocks),
        "amounts": words(block.amount for block in blocks),
        "allotted": numbers(block.allotted for block in blocks),
        "allotted_amounts": words(block.allotted_amount for block in blocks),
        "applied_seqs": numbers(block.applied_seq for block in blocks),
        "snapshot_seqs": numbers(block.snapshot_seq for block in blocks),
        "snapshots": numbers(block.snapshots for block in blocks),
        "done": words(block.is_done for block in blocks),
    }


def _snapshots(taken: Sequence[tuple[Block, Snapshot]]) -> dict[str, Any]:
    snapshots = [snapshot for _, snapshot in taken]
    return {
        "ids": words(block.block_order_id for block, _ in taken),
        "numbers": numbers(snapshot.number for snapshot in snapshots),
        "kinds": words(snapshot.kind for snapshot in snapshots),
        "from_seqs": numbers(snapshot.from_seq for snapshot in snapshots),
        "to_seqs": numbers(snapshot.to_seq for snapshot in snapshots),
        "quantities": numbers(snapshot.quantity for snapshot in snapshots),
        "amounts": words(snapshot.amount for snapshot in snapshots),
        "averages": words(snapshot.average_price for snapshot in snapshots),
        "fair_prices": words(snapshot.fair_price for snapshot in snapshots),
        "fair": words(snapshot.is_fair for snapshot in snapshots),
    }


def _allotted(parts: Collection[_Part]) -> dict[str, Any]:
    return {
        "ids": words(part.block_order_id for part in parts),
        "parts": numbers(part.part_no for part in parts),
        "allotted": numbers(part.allotted for part in parts),
    }


def _dues(dues: Sequence[_Due]) -> dict[str, Any]:
    return {
        "ids": words(part.block_order_id for part, _, _ in dues),
        "parts": numbers(part.part_no for part, _, _ in dues),
        "snapshots": numbers(number for _, number, _ in dues),
        "quantities": numbers(share.quantity for _, _, share in dues),
        "amounts": words(share.amount for _, _, share in dues),
    }
