"""Breaks: what does not match, for somebody to look at. One row for each, resolved when it matches again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from streams_app.databases import Statements
from streams_app.databases.arrays import texts
from streams_app.databases.connecting import Connection

SQL = Statements(Path(__file__).with_name("breaks.sql"))


class BreakKind(StrEnum):
    """What does not match."""

    #: What is booked of a block order is not what the market executed. The subject is the block order.
    BOOKED = "BOOKED"
    #: Subject: bucket, account and security.
    NEGATIVE_POSITION = "NEGATIVE_POSITION"
    #: Cash at the end of a rebalance. Subject: bucket and account.
    NEGATIVE_CASH = "NEGATIVE_CASH"
    #: A snapshot's average price is too far from the market's, and stays so. Subject: block order and snapshot.
    UNFAIR_PRICE = "UNFAIR_PRICE"


@dataclass(frozen=True, slots=True)
class Break:
    """One of them; `detail` says in words what was found."""

    kind: BreakKind
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class BreakRow:
    """A break as people see it; `resolved_at` is None as long as it holds."""

    kind: str
    subject: str
    detail: str
    found_at: datetime
    resolved_at: datetime | None


def misbooked(block_order_id: UUID, executed: int, amount: Decimal, booked: int, booked_amount: Decimal) -> Break:
    """The break of a block order whose bookings do not come to what the market says."""
    detail = f"{booked} shares for {booked_amount} are booked, {executed} for {amount} are executed"
    return Break(BreakKind.BOOKED, str(block_order_id), detail)


def negative_position(bucket: int, account_id: int, security_id: int, quantity: int) -> Break:
    """The break of an account that has less than nothing of a security."""
    subject, detail = f"{bucket}/{account_id}/{security_id}", f"{quantity} of security {security_id}"
    return Break(BreakKind.NEGATIVE_POSITION, subject, detail)


def negative_cash(bucket: int, account_id: int, cash: Decimal) -> Break:
    """The break of an account whose buys cost more than it had."""
    return Break(BreakKind.NEGATIVE_CASH, f"{bucket}/{account_id}", f"cash {cash}")


def unfair_price(block_order_id: UUID, snapshot_no: int, average_price: Decimal, fair_price: Decimal) -> Break:
    """The break of a snapshot at a price outside the band."""
    detail = f"average price {average_price}, fair price {fair_price}"
    return Break(BreakKind.UNFAIR_PRICE, f"{block_order_id}/{snapshot_no}", detail)


async def open_breaks(connection: Connection) -> dict[BreakKind, set[str]]:
    """The subjects of breaks that are not resolved. Raises what psycopg raises, as all here."""
    found: dict[BreakKind, set[str]] = {kind: set() for kind in BreakKind}
    for kind, subject in await (await connection.execute(SQL["open"])).fetchall():
        found[BreakKind(kind)].add(subject)
    return found


async def write_breaks(connection: Connection, breaks: Sequence[Break]) -> int:
    """Write breaks down in the caller's transaction; returns how many are new, or were resolved before."""
    if not breaks:
        return 0
    arguments = {
        "kinds": texts([one.kind for one in breaks]),
        "subjects": texts([one.subject for one in breaks]),
        "details": texts([one.detail for one in breaks]),
    }
    rows = await (await connection.execute(SQL["write"], arguments)).fetchall()
    return sum(is_new for (is_new,) in rows)


async def resolve(connection: Connection, kind: BreakKind, subjects: Iterable[str]) -> int:
    """Breaks of these subjects hold no more; returns how many did until now."""
    cursor = await connection.execute(SQL["resolve"], {"kind": kind, "subjects": sorted(subjects)})
    return cursor.rowcount


async def list_breaks(connection: Connection, *, resolved: bool) -> list[BreakRow]:
    """Breaks, the newest first: those that hold, and where asked those that were resolved."""
    rows = await (await connection.execute(SQL["list"], {"resolved": resolved})).fetchall()
    return [BreakRow(*row) for row in rows]
