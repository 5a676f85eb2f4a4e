"""The blocker: what the slices of a rebalance want becomes block orders when all of them are there, or is cancelled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from streams_app.allocation_settings import DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.messages import (
    REBALANCE_CANCELLED,
    ROUTED,
    SLICE_ROUTED,
    Payload,
    block_closed,
    block_created,
    blocks_placed,
    cancel_sent,
)
from streams_app.systems.allocations.model import Side, block_order_id

SQL = Statements(Path(__file__).with_name("orders.sql"))


class Blocker:
    """Makes block orders. The row of a rebalance decides between its last slice and its cancel: the first one wins.

    A rebalance that is cancelled before ends without block orders, and its later slices are ignored; of one that is
    cancelled afterwards, the market hears for each block order that it has.
    """

    name: StepName = "blocker"
    domain: DomainName = "orders"
    topic = ROUTED

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Take slices and cancels; returns the events of block orders that are made, or cancelled."""
        statuses = await _held(connection, payloads)
        collecting = {key for key, status in statuses.items() if status == "COLLECTING"}
        to_cancel = {_id(payload) for payload in payloads if payload["type"] == REBALANCE_CANCELLED}
        events = await _end(connection, sorted(collecting & to_cancel))
        events += await _cancel_blocks(connection, [key for key in sorted(to_cancel) if statuses[key] == "PLACED"])
        slices = [payload for payload in payloads if payload["type"] == SLICE_ROUTED]
        return events + await _collect(connection, slices, collecting - to_cancel)


def _id(payload: Payload) -> UUID:
    return UUID(payload["rebalance_id"])


async def _held(connection: Connection, payloads: Sequence[Payload]) -> dict[UUID, str]:
    """The statuses of rebalances, whose rows are locked; new ones are COLLECTING."""
    known = {_id(payload): payload for payload in payloads}
    arguments = {
        "ids": list(known),
        "slices": [payload["slices"] for payload in known.values()],
        "days": [payload["trading_day"] for payload in known.values()],
    }
    await connection.execute(SQL["add_rebalances"], arguments)
    rows = await (await connection.execute(SQL["rebalances"], {"ids": list(known)})).fetchall()
    return dict(rows)


async def _end(connection: Connection, ids: list[UUID]) -> list[Event]:
    """Cancel rebalances that have no block orders yet."""
    if ids:
        await connection.execute(SQL["cancelled"], {"ids": ids})
    return [blocks_placed(rebalance_id, 0) for rebalance_id in ids]


async def _cancel_blocks(connection: Connection, ids: list[UUID]) -> list[Event]:
    if not ids:
        return []
    rows = await (await connection.execute(SQL["open_blocks"], {"ids": ids})).fetchall()
    await connection.execute(SQL["cancel_blocks"], {"blocks": [block for block, _, _ in rows]})
    events: list[Event] = []
    for block, rebalance_id, status in rows:
        if status == "NEW":
            events += block_closed(block, rebalance_id, 0, Decimal(0), 0)
        else:
            events.append(cancel_sent(block, rebalance_id))
    return events


async def _collect(connection: Connection, slices: Sequence[Payload], collecting: Collection[UUID]) -> list[Event]:
    """Write what slices want; rebalances that have all of theirs now are placed."""
    taken = [payload for payload in slices if _id(payload) in collecting]
    if not taken:
        return []
    ids, numbers = [_id(payload) for payload in taken], [payload["slice_no"] for payload in taken]
    await connection.execute(SQL["add_slices"], {"ids": ids, "numbers": numbers})
    wanted = [(_id(payload), payload["slice_no"], *of_side) for payload in taken for of_side in payload["quantities"]]
    if wanted:
        names = ("ids", "numbers", "securities", "sides", "quantities", "accounts")
        await connection.execute(SQL["add_quantities"], _columns(names, wanted))
    complete = await (await connection.execute(SQL["complete"], {"ids": list(set(ids))})).fetchall()
    return await _place(connection, [rebalance_id for (rebalance_id,) in complete]) if complete else []


async def _place(connection: Connection, ids: list[UUID]) -> list[Event]:
    """Make the block orders of rebalances."""
    sums = await (await connection.execute(SQL["sums"], {"ids": ids})).fetchall()
    rows = sorted(
        (block_order_id(key, security, Side(side)), key, security, side, *of) for key, security, side, *of in sums
    )
    counts = dict.fromkeys(ids, 0)
    for row in rows:
        counts[row[1]] += 1
    if rows:
        names = ("blocks", "ids", "securities", "sides", "quantities", "accounts")
        await connection.execute(SQL["add_blocks"], _columns(names, rows))
    await connection.execute(SQL["placed"], {"ids": ids, "counts": list(counts.values())})
    created = [block_created(block, key) for block, key, *_ in rows]
    return created + [blocks_placed(key, count) for key, count in counts.items()]


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
