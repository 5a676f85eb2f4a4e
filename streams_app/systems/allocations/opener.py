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
from streams_app.systems.allocations.applying import apply_pending, lock_blocks
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
        new = sorted(wanted.keys() - await lock_blocks(connection, wanted))
        for block_id in new:
            await self._open(connection, block_id, wanted[block_id])
        blocks = await lock_blocks(connection, new)
        return (await apply_pending(connection, blocks.values(), self._settings, {})).events

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
            columns = {"parts": numbers(range(len(parts))), "buckets": buckets, "ordered": numbers(ordered)}
            await connection.execute(SQL["add_parts"], {"id": block_id, **columns})
            for part_no, part in enumerate(parts):
                accounts, quantities = (numbers(order[column] for order in part) for column in (1, 2))
                columns = {"accounts": accounts, "quantities": quantities}
                await connection.execute(SQL["add_allocations"], {"id": block_id, "part": part_no, **columns})

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
