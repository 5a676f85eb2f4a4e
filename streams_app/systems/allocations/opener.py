"""The opener: a block order at the market gets its accounts, in parts that are each filled in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.applying import SQL as CAPTURE
from streams_app.systems.allocations.applying import apply_pending, read_blocks, words
from streams_app.systems.allocations.messages import OPENINGS, Payload

SQL = Statements(Path(__file__).with_name("opener.sql"))

#: Bucket, account, shares.
CustomerOrder: TypeAlias = tuple[int, int, int]


class Opener:
    """Opens block orders in allocations, and applies what has been executed of them already."""

    name: StepName = "opener"
    domain: DomainName = "allocations"
    topic = OPENINGS

    def __init__(self, databases: Databases, settings: AllocationSettings) -> None:
        self._databases = databases
        self._settings = settings

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Open block orders; one that is open stays as it is.

        Raises ValueError when customer orders are not what a block order says, and what `Step.work` raises.
        """
        wanted = {UUID(data["block_order_id"]): data for data in payloads}
        rows = await (await connection.execute(CAPTURE["open_blocks"], {"ids": words(wanted)})).fetchall()
        new = sorted(wanted.keys() - {block_id for (block_id,) in rows})
        for block_id in new:
            await self._open(connection, block_id, wanted[block_id])
        if not new:
            return []
        locked = await connection.execute(CAPTURE["lock_blocks"], {"ids": words(new)})
        blocks = read_blocks(await locked.fetchall())
        effects = await apply_pending(connection, list(blocks.values()), self._settings, {})
        return effects.events

    async def _open(self, connection: Connection, block_id: UUID, data: Payload) -> None:
        parts = list(_parts(await self._customer_orders(block_id), self._settings.part_orders))
        ordered = [sum(quantity for _, _, quantity in part) for part in parts]
        if sum(ordered) != data["quantity"]:
            raise ValueError(
                f"block order {block_id}: customer orders of {sum(ordered)} shares, not {data['quantity']}"
            )
        async with connection.pipeline():
            await connection.execute(SQL["add_block"], {**data, "parts": len(parts)})
            buckets = numbers(part[0][0] for part in parts)
            arguments = {"parts": numbers(range(len(parts))), "buckets": buckets, "ordered": numbers(ordered)}
            await connection.execute(SQL["add_parts"], {"id": block_id, **arguments})
        async with connection.cursor() as cursor, cursor.copy(SQL["add_allocations"]) as copy:
            for part_no, part in enumerate(parts):
                rows = (f"{block_id}\t{part_no}\t{account}\t{quantity}\n" for _, account, quantity in part)
                await copy.write("".join(rows))

    async def _customer_orders(self, block_id: UUID) -> list[CustomerOrder]:
        async with self._databases.connection("holdings") as connection:
            rows = await (await connection.execute(SQL["customer_orders"], {"id": block_id})).fetchall()
        return [(bucket, account, quantity) for bucket, account, quantity in rows]


def _parts(orders: Sequence[CustomerOrder], most: int) -> Iterator[list[CustomerOrder]]:
    """Orders of one bucket each, at most so many."""
    for _, group in groupby(orders, key=lambda order: order[0]):
        own = list(group)
        for start in range(0, len(own), most):
            yield own[start : start + most]
