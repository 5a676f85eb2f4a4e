"""Executions that did not come by the changefeed are fetched where they were written: from trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import EventPublisher
from streams_app.systems.allocations.applying import (
    SQL,
    apply_pending,
    keys_of,
    lock_blocks,
    read_execution_row,
    rows_of,
)

# Block orders and executions of one transaction.
_BLOCKS: Final = 200
_EXECUTIONS: Final = 2000


async def fill_gaps(
    databases: Databases,
    settings: AllocationSettings,
    publisher: EventPublisher,
    gap: float = 3.0,
    silence: float = 60.0,
) -> int:
    """Fetch and apply what block orders wait for; returns how many executions were new.

    A block order waits when a later execution has been here for `gap` seconds, or when it is not done and nothing was
    heard of it for `silence` seconds, which is longer: the feed may only be slow. Raises what psycopg raises, and
    RegionUnavailableError.
    """
    async with databases.connection("allocations") as connection:
        rows = await (await connection.execute(SQL["behind"], {"gap": gap, "silence": silence})).fetchall()
    filled = 0
    for start in range(0, len(rows), _BLOCKS):
        filled += await _fill(databases, settings, publisher, dict(rows[start : start + _BLOCKS]))
    return filled


async def _fill(
    databases: Databases, settings: AllocationSettings, publisher: EventPublisher, applied: Mapping[UUID, int]
) -> int:
    """Fill the gaps of block orders, which have applied executions up to these."""
    async with databases.connection("trades") as connection:
        arguments = {**keys_of(applied.items()), "most": _EXECUTIONS}
        rows: Sequence[Sequence[Any]] = await (await connection.execute(SQL["executed"], arguments)).fetchall()
    executions = rows_of([(row[0], read_execution_row(row[1:])) for row in rows])

    async def write(connection: Connection) -> int:
        blocks = await lock_blocks(connection, applied)
        added = await connection.execute(SQL["persist"], executions)
        effects = await apply_pending(connection, blocks.values(), settings, {})
        await publisher.publish("allocations", effects.events, connection)
        return added.rowcount

    return await in_transaction(databases, "allocations", write)
