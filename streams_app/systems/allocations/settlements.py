"""Settlements as people look at them: what is to change hands, and on which day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from streams_app.databases import Statements
from streams_app.databases.connecting import Connection

SQL = Statements(Path(__file__).with_name("settlements.sql"))


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is to change hands for one account of one block order."""

    settle_date: date
    trade_date: date
    account_id: int
    security_id: int
    side: str
    quantity: int
    amount: Decimal
    block_order_id: UUID


@dataclass(frozen=True, slots=True)
class Total:
    """The settlements of a day and a side together; `orders` counts customer orders."""

    settle_date: date
    side: str
    orders: int
    quantity: int
    amount: Decimal


async def settlements(
    connection: Connection, day: date | None, account: int | None, limit: int
) -> tuple[list[Settlement], list[Total]]:
    """Settlements of a day and an account, where they are given: at most `limit`, and the totals of all of them.

    Raises what psycopg raises.
    """
    arguments = {"day": day, "account": account, "limit": limit}
    rows = await (await connection.execute(SQL["list"], arguments)).fetchall()
    totals = await (await connection.execute(SQL["totals"], arguments)).fetchall()
    return [Settlement(*row) for row in rows], [Total(*row) for row in totals]
