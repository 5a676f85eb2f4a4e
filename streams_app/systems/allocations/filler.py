"""The filler: what a snapshot gives to a part goes to its accounts, by what each still wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from streams_app.allocation_settings import DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.arrays import numbers
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.applying import words
from streams_app.systems.allocations.apportion import shares
from streams_app.systems.allocations.messages import PARTS, Payload, part_filled
from streams_app.systems.allocations.model import Share, Side

SQL = Statements(Path(__file__).with_name("filler.sql"))

#: A block order, and a part of it.
PartKey: TypeAlias = tuple[UUID, int]
#: A snapshot's number, and what it gives by account.
Fills: TypeAlias = tuple[int, dict[int, Share]]


@dataclass(frozen=True, slots=True)
class Due:
    """What a snapshot gives to a part; negative of a REVERSAL."""

    block_order_id: UUID
    part_no: int
    snapshot_no: int
    quantity: int
    amount: Decimal


@dataclass(slots=True)
class Part:
    """A part, and its accounts in order: what they ordered and what they have got."""

    block_order_id: UUID
    part_no: int
    bucket: int
    rebalance_id: UUID
    security_id: int
    side: Side
    trading_day: date
    accounts: list[int] = field(default_factory=list)
    ordered: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)

    def fill(self, due: Due) -> dict[int, Share]:
        """Give accounts what is due; those that get no share are left out."""
        weights = self.filled
        if due.quantity > 0:
            weights = [ordered - filled for ordered, filled in zip(self.ordered, self.filled, strict=True)]
        found = shares(due.quantity, due.amount, weights)
        self.filled = [filled + share.quantity for filled, share in zip(self.filled, found, strict=True)]
        return {account: share for account, share in zip(self.accounts, found, strict=True) if share.quantity}

    def event(self, snapshot_no: int, fills: dict[int, Share]) -> Event:
        """What the booker is told."""
        place = (self.bucket, self.part_no, snapshot_no)
        return part_filled(
            self.block_order_id, self.rebalance_id, self.security_id, self.side, self.trading_day, place, fills
        )


class Filler:
    """Fills the accounts of parts, snapshot after snapshot."""

    name: StepName = "filler"
    domain: DomainName = "allocations"
    topic = PARTS

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Fill all that is due to the parts that events name: what an earlier call has filled is nothing any more."""
        named = {(UUID(data["block_order_id"]), int(data["part_no"])) for data in payloads}
        rows = await (await connection.execute(SQL["take_due"], _keys(sorted(named)))).fetchall()
        dues = [Due(*row) for row in rows]
        if not dues:
            return []
        parts = await self._parts(connection, {(due.block_order_id, due.part_no) for due in dues})
        made: list[tuple[Part, Fills]] = []
        for due in dues:
            part = parts[due.block_order_id, due.part_no]
            made.append((part, (due.snapshot_no, part.fill(due))))
        await self._write(connection, made)
        return [part.event(*fills) for part, fills in made]

    async def _parts(self, connection: Connection, keys: set[PartKey]) -> dict[PartKey, Part]:
        # Asked after the rows are held: what somebody else has filled meanwhile is seen.
        async with connection.pipeline():
            found = await connection.execute(SQL["parts"], _keys(sorted(keys)))
            accounts = await connection.execute(SQL["accounts"], _keys(sorted(keys)))
        parts: dict[PartKey, Part] = {}
        for block_id, part_no, bucket, rebalance_id, security_id, side, day in await found.fetchall():
            parts[block_id, part_no] = Part(block_id, part_no, bucket, rebalance_id, security_id, Side(side), day)
        for key, rows in groupby(await accounts.fetchall(), key=lambda row: (row[0], row[1])):
            part = parts[key]
            part.accounts, part.ordered, part.filled = (list(column) for column in list(zip(*rows, strict=True))[2:])
        return parts

    async def _write(self, connection: Connection, made: Sequence[tuple[Part, Fills]]) -> None:
        done = [(part.block_order_id, part.part_no) for part, _ in made]
        async with connection.pipeline():
            for (block_id, part_no), (_, (snapshot_no, fills)) in zip(done, made, strict=True):
                place = {"id": block_id, "part": part_no, "snapshot": snapshot_no}
                await connection.execute(SQL["add_fills"], {**place, **_columns(fills)})
            await connection.execute(SQL["add_to_allocations"], _totals(made))
            await connection.execute(
                SQL["filled"], {**_keys(done), "snapshots": numbers(number for _, (number, _) in made)}
            )


def _keys(keys: Iterable[PartKey]) -> dict[str, Any]:
    pairs = list(keys)
    return {"ids": words(block_id for block_id, _ in pairs), "parts": numbers(part_no for _, part_no in pairs)}


def _columns(fills: Mapping[int, Share]) -> dict[str, Any]:
    return {
        "accounts": numbers(fills),
        "quantities": numbers(share.quantity for share in fills.values()),
        "amounts": words(share.amount for share in fills.values()),
    }


def _totals(made: Sequence[tuple[Part, Fills]]) -> dict[str, Any]:
    """What accounts get of all snapshots together."""
    totals: dict[tuple[UUID, int, int], tuple[int, Decimal]] = {}
    for part, (_, fills) in made:
        for account, share in fills.items():
            key = (part.block_order_id, part.part_no, account)
            quantity, amount = totals.get(key, (0, Decimal(0)))
            totals[key] = quantity + share.quantity, amount + share.amount
    return {
        **_keys((block_id, part_no) for block_id, part_no, _ in totals),
        "accounts": numbers(account for _, _, account in totals),
        "quantities": numbers(quantity for quantity, _ in totals.values()),
        "amounts": words(amount for _, amount in totals.values()),
    }
