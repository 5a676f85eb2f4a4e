"""Reads for people: the whole story of one request, and lists of requests."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from streams_app.databases import Databases, Statements, locality_of
from streams_app.systems.requests.signals import find_locality

SQL = Statements(Path(__file__).with_name("stories.sql"))
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one request, as rows by column name; what each holds stands in stories.sql.

    `accounts` are the linked ones with their role and share; of one that does not exist only these are known.
    """

    region: str
    request: Row
    accounts: list[Row] = field(default_factory=list)
    trades: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    signals: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests to list: codes of the static tables, None for any; `limit` is the most to answer."""

    type: str | None = None
    status: str | None = None
    state: str | None = None
    limit: int = 20


async def story(databases: Databases, request_id: UUID) -> Story:
    """The story of a request, wherever it is. Raises UnknownRequestError and what psycopg raises."""
    locality = await find_locality(databases, request_id)
    region = databases.regions.of(locality)
    arguments = {"locality": locality, "request_id": request_id}
    names = ("request", "links", "trades", "events", "signals")
    # One snapshot, so that the parts of the story fit together while a worker goes on.
    async with databases.transaction(region) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        async with connection.cursor(row_factory=dict_row) as cursor:
            parts = {name: await (await cursor.execute(SQL[name], arguments)).fetchall() for name in names}
    accounts = await _accounts(databases, parts["links"])
    return Story(region, parts["request"][0], accounts, parts["trades"], parts["events"], parts["signals"])


async def _accounts(databases: Databases, links: list[Row]) -> list[Row]:
    """The links with their accounts, each read in its own region."""
    by_region: dict[str, list[UUID]] = defaultdict(list)
    for link in links:
        by_region[databases.regions.of_account(link["account_id"])].append(link["account_id"])
    parts = await asyncio.gather(*(_accounts_of(databases, region, ids) for region, ids in by_region.items()))
    known = {row["account_id"]: row for part in parts for row in part}
    return [link | known.get(link["account_id"], {}) for link in links]


async def _accounts_of(databases: Databases, region: str, account_ids: list[UUID]) -> list[Row]:
    arguments = {"localities": [locality_of(i) for i in account_ids], "account_ids": account_ids}
    return [row | {"region": region} for row in await _rows(databases, region, "accounts", arguments)]


async def newest(databases: Databases, regions: tuple[str, ...], wanted: Filter) -> list[Row]:
    """The newest requests of `regions` that fit, newest first. Raises what psycopg raises."""
    arguments = {"type": wanted.type, "status": wanted.status, "state": wanted.state, "limit": wanted.limit}
    parts = await asyncio.gather(
        *(
            _rows(databases, region, "list", arguments | {"localities": databases.regions.localities(region)})
            for region in regions
        )
    )
    rows = [row | {"region": region} for region, part in zip(regions, parts, strict=True) for row in part]
    return sorted(rows, key=itemgetter("created_ts"), reverse=True)[: wanted.limit]


async def _rows(databases: Databases, region: str, name: str, arguments: dict[str, Any]) -> list[Row]:
    async with databases.connection(region) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(SQL[name], arguments)).fetchall()
