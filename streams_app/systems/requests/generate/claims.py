"""Claiming account numbers: a number belongs to one account, whatever the regions of the accounts that want it."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from streams_app.databases import Databases, Statements
from streams_app.systems.requests.localities import locality_of_number
from streams_app.systems.requests.model import Account

logger = logging.getLogger(__name__)
SQL = Statements(Path(__file__).with_name("histories.sql"))


async def with_claimed_numbers(databases: Databases, accounts: Iterable[Account]) -> list[Account]:
    """Those of `accounts` that may be written: their number is theirs now. The log names the others.

    Each number is claimed in the region that it hashes to, with one statement a region. A claim stays even when its
    account is never written. Raises what psycopg raises; safe to repeat.
    """
    wanted = list(accounts)
    by_region: dict[str, list[Account]] = defaultdict(list)
    for account in wanted:
        by_region[databases.regions.of(locality_of_number(account.account_number))].append(account)
    parts = await asyncio.gather(*(_refused_in(databases, region, group) for region, group in by_region.items()))
    refused = set[UUID]().union(*parts)
    return [account for account in wanted if account.account_id not in refused]


async def _refused_in(databases: Databases, region: str, accounts: Sequence[Account]) -> set[UUID]:
    refused, waiting = set[UUID](), accounts
    while waiting:
        async with databases.transaction(region) as connection:
            rows = await (await connection.execute(SQL["claim_numbers"], _claims(waiting))).fetchall()
        for account_id, number, owner_id in rows:
            if owner_id is not None and owner_id != account_id:
                message = "account %s is not written: its number %s belongs to account %s"
                logger.warning(message, account_id, number, owner_id)
                refused.add(account_id)
        # A claim that another transaction committed meanwhile is seen by the next statement only.
        unknown = {account_id for account_id, _, owner_id in rows if owner_id is None}
        waiting = [account for account in waiting if account.account_id in unknown]
    return refused


def _claims(accounts: Sequence[Account]) -> dict[str, list[object]]:
    return {
        "localities": [locality_of_number(a.account_number) for a in accounts],
        "numbers": [a.account_number for a in accounts],
        "account_ids": [a.account_id for a in accounts],
    }
