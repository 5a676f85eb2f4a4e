"""The booker: fills of accounts become positions, cash and settlements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.booking import Bookings, net
from streams_app.systems.allocations.breaks import negative_position, write_breaks
from streams_app.systems.allocations.messages import BOOKINGS, Payload

SQL = Statements(Path(__file__).with_name("booker.sql"))


class Booker:
    """Books the parts of snapshots, many at once: each account is written once."""

    name: StepName = "booker"
    domain: DomainName = "holdings"
    topic = BOOKINGS

    def __init__(self, settings: AllocationSettings) -> None:
        self._settlement_days = settings.settlement_days

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Book fills; nothing follows. Raises LookupError for an account that is not there, and UniqueViolation for a
        part that is booked already. A position that is negative afterwards is a break."""
        bookings = net(payloads, self._settlement_days)
        await _hold(connection, bookings)
        await _add_parts(connection, bookings)
        await _add_cash(connection, bookings)
        await _add_settlements(connection, bookings)
        negative = await _add_positions(connection, bookings)
        await write_breaks(connection, [negative_position(*row) for row in negative])
        return []


async def _hold(connection: Connection, bookings: Bookings) -> None:
    """Lock the accounts. Raises LookupError."""
    arguments = {
        "buckets": numbers(bucket for bucket, _ in bookings.cash),
        "accounts": numbers(account for _, account in bookings.cash),
    }
    found = await (await connection.execute(SQL["hold_accounts"], arguments)).fetchall()
    if len(found) < len(bookings.cash):
        bucket, account = min(bookings.cash.keys() - set(found))
        raise LookupError(f"no account {account} in bucket {bucket}")


async def _add_parts(connection: Connection, bookings: Bookings) -> None:
    parts = bookings.parts
    arguments = {
        "block_order_ids": texts([part.block_order_id for part in parts]),
        "part_nos": numbers(part.part_no for part in parts),
        "snapshot_nos": numbers(part.snapshot_no for part in parts),
        "rebalance_ids": texts([part.rebalance_id for part in parts]),
        "quantities": numbers(part.quantity for part in parts),
        "amounts": texts([str(part.amount) for part in parts]),
    }
    await connection.execute(SQL["add_parts"], arguments)


async def _add_cash(connection: Connection, bookings: Bookings) -> None:
    arguments = {
        "buckets": numbers(bucket for bucket, _ in bookings.cash),
        "accounts": numbers(account for _, account in bookings.cash),
        "amounts": texts([str(amount) for amount in bookings.cash.values()]),
    }
    await connection.execute(SQL["add_cash"], arguments)


async def _add_positions(connection: Connection, bookings: Bookings) -> list[tuple[int, int, int, int]]:
    """Returns bucket, account, security and shares of positions that are negative now."""
    arguments = {
        "buckets": numbers(bucket for bucket, _, _ in bookings.positions),
        "accounts": numbers(account for _, account, _ in bookings.positions),
        "securities": numbers(security for _, _, security in bookings.positions),
        "quantities": numbers(bookings.positions.values()),
    }
    rows = await (await connection.execute(SQL["add_positions"], arguments)).fetchall()
    return [(bucket, account, security, quantity) for bucket, account, security, quantity in rows]


async def _add_settlements(connection: Connection, bookings: Bookings) -> None:
    parts, settlements = bookings.parts, bookings.settlements
    arguments = {
        # Arrays count from 1.
        "places": numbers(index + 1 for index, _, _ in settlements.values()),
        "accounts": numbers(account for _, _, account in settlements),
        "quantities": numbers(quantity for _, quantity, _ in settlements.values()),
        "amounts": texts([str(amount) for _, _, amount in settlements.values()]),
        "block_order_ids": texts([part.block_order_id for part in parts]),
        "buckets": numbers(part.bucket for part in parts),
        "securities": numbers(part.security_id for part in parts),
        "sides": texts([part.side for part in parts]),
        "trade_dates": texts([part.trade_date.isoformat() for part in parts]),
        "settle_dates": texts([part.settle_date.isoformat() for part in parts]),
    }
    await connection.execute(SQL["add_settlements"], arguments)
