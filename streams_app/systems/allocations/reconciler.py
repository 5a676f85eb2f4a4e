"""The reconciler holds what is booked against what the market executed: what matches ends, what differs is a break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import Event
from streams_app.systems.allocations.breaks import (
    Break,
    BreakKind,
    misbooked,
    negative_cash,
    open_breaks,
    resolve,
    unfair_price,
    write_breaks,
)
from streams_app.systems.allocations.closings import arguments_of, closings_of
from streams_app.systems.allocations.messages import BLOCKS_PLACED, CLOSINGS, Payload

SQL = Statements(Path(__file__).with_name("reconciler.sql"))

# Seconds beyond break_after in which a closing is looked at again, whatever became of its rebalance.
_LOOKED_AT: Final = 300.0


class Reconciler:
    """Writes down how many block orders a rebalance has, and what the market says of each in the end."""

    name: StepName = "reconciler"
    domain: DomainName = "holdings"
    topic = CLOSINGS

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Write closings, of each block order the newest; nothing follows.

        Raises LookupError for a rebalance that is not there.
        """
        placed = {UUID(p["rebalance_id"]): p["blocks"] for p in payloads if p["type"] == BLOCKS_PLACED}
        closings = closings_of(p for p in payloads if p["type"] != BLOCKS_PLACED)
        wanted = placed.keys() | {closing.rebalance_id for closing in closings}
        found = await _rows(connection, "hold_rebalances", rebalance_ids=sorted(wanted))
        if len(found) < len(wanted):
            raise LookupError(f"no rebalance {min(wanted - {rebalance_id for (rebalance_id,) in found})}")
        if placed:
            arguments = {"rebalance_ids": list(placed), "blocks": list(placed.values())}
            await connection.execute(SQL["write_blocks"], arguments)
        if closings:
            await connection.execute(SQL["write_closings"], arguments_of(closings))
        return []


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look came to: rebalances that ended, breaks that are new, breaks that hold no more."""

    ended: int
    breaks: int
    resolved: int


async def reconcile(databases: Databases, settings: AllocationSettings) -> Reconciled:
    """End rebalances whose bookings are what the market executed; find breaks, and those that hold no more.

    Raises RegionUnavailableError and what psycopg raises.
    """
    unfair = await _unfair(databases)

    async def work(connection: Connection) -> Reconciled:
        known = await open_breaks(connection)
        ready = {rebalance_id for (rebalance_id,) in await _rows(connection, "ready")}
        differ = await _differing(connection, ready, known[BreakKind.BOOKED], settings.break_after)
        ended = ready - {rebalance_id for _, rebalance_id, _ in differ}
        if ended:
            await connection.execute(SQL["end"], {"rebalance_ids": sorted(ended)})
        cash = await _negative_cash(connection, ended, known[BreakKind.NEGATIVE_CASH])
        late = [found for found, _, is_late in differ if is_late]
        new = await write_breaks(connection, [*late, *cash, *unfair])
        resolved = await resolve(
            connection, BreakKind.BOOKED, known[BreakKind.BOOKED] - {found.subject for found, _, _ in differ}
        )
        resolved += await resolve(
            connection, BreakKind.NEGATIVE_CASH, known[BreakKind.NEGATIVE_CASH] - {found.subject for found in cash}
        )
        resolved += await _resolve_positions(connection, known[BreakKind.NEGATIVE_POSITION])
        return Reconciled(len(ended), new, resolved)

    return await in_transaction(databases, "holdings", work)


async def _unfair(databases: Databases) -> list[Break]:
    """Snapshots at a price outside the band, since the newest that is known."""
    async with databases.connection("holdings") as connection:
        [(since,)] = await _rows(connection, "newest_unfair", kind=BreakKind.UNFAIR_PRICE, seconds=_LOOKED_AT)
    async with databases.connection("allocations") as connection:
        return [unfair_price(*row) for row in await _rows(connection, "unfair_snapshots", since=since)]


async def _differing(
    connection: Connection, ready: set[UUID], known: set[str], break_after: float
) -> list[tuple[Break, UUID, bool]]:
    """Block orders whose bookings differ from their closing, each with its rebalance, and whether it is a break: for
    longer than `break_after` seconds."""
    rows = await _rows(
        connection,
        "differing",
        rebalance_ids=sorted(ready),
        block_order_ids=sorted(known),
        looked_at=break_after + _LOOKED_AT,
        break_after=break_after,
    )
    return [(misbooked(*row), rebalance_id, is_late) for rebalance_id, is_late, *row in rows]


async def _negative_cash(connection: Connection, ended: set[UUID], known: set[str]) -> list[Break]:
    """Accounts below zero: of rebalances that end now, and those of open breaks."""
    if not ended and not known:
        return []
    rows = await _rows(
        connection, "negative_cash", rebalance_ids=sorted(ended), **_places(known, "buckets", "accounts")
    )
    return [negative_cash(*row) for row in rows]


async def _resolve_positions(connection: Connection, known: set[str]) -> int:
    if not known:
        return 0
    places = _places(known, "buckets", "accounts", "securities")
    rows = await _rows(connection, "negative_positions", **places)
    return await resolve(connection, BreakKind.NEGATIVE_POSITION, known - {"/".join(map(str, row)) for row in rows})


def _places(subjects: set[str], *names: str) -> dict[str, list[int]]:
    """The numbers that subjects are made of, as arrays for a statement."""
    split = [[int(number) for number in subject.split("/")] for subject in sorted(subjects)]
    return {name: [numbers[place] for numbers in split] for place, name in enumerate(names)}


async def _rows(connection: Connection, name: str, **arguments: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(SQL[name], arguments)).fetchall()
