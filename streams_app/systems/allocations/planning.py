"""Rebalances: how one begins, how it is cancelled, how far it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from streams_app.allocation_settings import AllocationSettings
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import EventPublisher
from streams_app.errors import StartError
from streams_app.systems.allocations.criteria import Criteria
from streams_app.systems.allocations.groups import criteria_of
from streams_app.systems.allocations.messages import rebalance_cancelled, slice_planned
from streams_app.systems.allocations.quotes import Quotes, securities_named

SQL = Statements(Path(__file__).with_name("planning.sql"))

_LAST_ACCOUNT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Rebalance:
    """A rebalance that has begun: how many slices it has, and how many accounts fit its criteria."""

    rebalance_id: UUID
    slices: int
    accounts: int


@dataclass(frozen=True, slots=True)
class AccountRange:
    """Accounts of one bucket, both ends included."""

    bucket: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebalance has come: `routed` of `slices`, `closings` of `blocks`, which are None until they are known.

    `orders` counts customer orders, `booked` the parts of snapshots that are booked.
    """

    rebalance_id: UUID
    created_at: datetime
    group: str
    trading_day: date
    status: str
    accounts: int
    slices: int
    routed: int
    orders: int
    blocks: int | None
    closings: int
    booked: int
    ended_at: datetime | None


async def begin(
    databases: Databases,
    publisher: EventPublisher,
    group: str,
    day: date,
    settings: AllocationSettings,
    rebalance_id: UUID | None = None,
) -> Rebalance:
    """Begin a rebalance of a group at the open prices of `day`: its slices, with an event for each, in one transaction.

    Raises StartError when there is no such group, no such security, no price of the day, or no account that fits.
    """
    await Quotes(databases).of(day)
    criteria = await _resolved(databases, await criteria_of(databases, group))
    chosen = rebalance_id or uuid4()

    async def write(connection: Connection) -> Rebalance:
        found = await (await connection.execute(SQL["buckets"])).fetchall()
        everything = [AccountRange(bucket, 0, _LAST_ACCOUNT) for (bucket,) in found]
        accounts = await eligible(connection, criteria, everything)
        slices = cut(accounts, settings.slice_accounts)
        if not slices:
            raise StartError(f"no account fits group {group!r}: change its criteria, or load accounts")
        begun = Rebalance(chosen, len(slices), len(accounts))
        await _write(connection, begun, slices, {"group": group, "day": day, "criteria": criteria.as_json()})
        await publisher.publish(
            "holdings", [slice_planned(chosen, number) for number in range(len(slices))], connection
        )
        return begun

    async def read_back() -> Rebalance | None:
        found = await progress_of(databases, 1, chosen)
        return Rebalance(chosen, found[0].slices, found[0].accounts) if found else None

    return await in_transaction(databases, "holdings", write, read_back)


async def _resolved(databases: Databases, criteria: Criteria) -> Criteria:
    """Criteria that name securities by their ids only."""
    symbols = [item for item in criteria.holds if isinstance(item, str)]
    found = await securities_named(databases, symbols)
    return replace(criteria, holds=tuple(found[item] if isinstance(item, str) else item for item in criteria.holds))


async def _write(
    connection: Connection, begun: Rebalance, slices: Sequence[AccountRange], of_group: Mapping[str, Any]
) -> None:
    arguments = {
        **of_group,
        "criteria": orjson.dumps(of_group["criteria"]).decode(),
        "rebalance_id": begun.rebalance_id,
        "accounts": begun.accounts,
        "slices": begun.slices,
    }
    await connection.execute(SQL["begin"], arguments)
    await connection.execute(
        SQL["add_slices"],
        {
            "rebalance_id": begun.rebalance_id,
            "numbers": list(range(len(slices))),
            "buckets": [item.bucket for item in slices],
            "firsts": [item.first for item in slices],
            "lasts": [item.last for item in slices],
        },
    )


async def eligible(connection: Connection, criteria: Criteria, ranges: Sequence[AccountRange]) -> list[tuple[int, int]]:
    """The accounts in ranges that fit criteria, as (bucket, account), in that order."""
    arguments = {
        "in_buckets": [item.bucket for item in ranges],
        "firsts": [item.first for item in ranges],
        "lasts": [item.last for item in ranges],
        "segments": list(criteria.segments),
        "least_risk": criteria.risk[0],
        "most_risk": criteria.risk[1],
        "models": list(criteria.models),
        "buckets": list(criteria.buckets),
        "min_cash": criteria.min_cash,
        "max_cash": criteria.max_cash,
        "holds": list(criteria.holds),
    }
    rows = await (await connection.execute(SQL["eligible"], arguments)).fetchall()
    return [(bucket, account_id) for bucket, account_id in rows]


def cut(accounts: Sequence[tuple[int, int]], size: int) -> list[AccountRange]:
    """Ranges of one bucket each that hold `accounts`, at most `size` of them in one."""
    found = []
    for bucket, members in groupby(accounts, itemgetter(0)):
        ids = [account_id for _, account_id in members]
        parts = [ids[start : start + size] for start in range(0, len(ids), size)]
        found += [AccountRange(bucket, part[0], part[-1]) for part in parts]
    return found


async def cancel(databases: Databases, publisher: EventPublisher, rebalance_id: UUID) -> bool:
    """Cancel a rebalance: what is not executed never will be, and what is executed is booked. May be done again.

    False when it has ended, or there is none of that id.
    """

    async def write(connection: Connection) -> bool:
        rows = await (await connection.execute(SQL["cancel"], {"rebalance_id": rebalance_id})).fetchall()
        events = [rebalance_cancelled(rebalance_id, slices, day) for slices, day in rows]
        await publisher.publish("holdings", events, connection)
        return bool(rows)

    return await in_transaction(databases, "holdings", write)


async def progress_of(databases: Databases, limit: int, rebalance_id: UUID | None = None) -> list[Progress]:
    """How far the newest rebalances have come, or one of them."""
    async with databases.connection("holdings") as connection:
        arguments = {"limit": limit, "rebalance_id": rebalance_id}
        rows = await (await connection.execute(SQL["rebalances"], arguments)).fetchall()
    return [Progress(*row) for row in rows]
