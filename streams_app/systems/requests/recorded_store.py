"""Reading what is recorded of requests: a few statements per region, whatever their number."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from streams_app.databases import Databases, Statements, locality_of
from streams_app.systems.requests import rows
from streams_app.systems.requests.model import Request, Signal, SignalKind, Status, Transition
from streams_app.systems.requests.recorded import AccountChangeEvent, Recorded, Timeline, timeline
from streams_app.systems.requests.store import RequestKey

SQL = Statements(Path(__file__).with_name("recorded.sql"))


async def load_recorded(databases: Databases, region: str, keys: Sequence[RequestKey]) -> dict[UUID, Recorded]:
    """Everything recorded of the requests of `region`, by id; one that is not there is missing. Raises what psycopg
    raises."""
    arguments = {"localities": [k.locality for k in keys], "request_ids": [k.request_id for k in keys]}
    # One snapshot, so that the parts fit together while workers go on.
    async with databases.transaction(region) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        names = ("requests", "events", "signals", "links", "trades")
        found = {name: await (await connection.execute(SQL[name], arguments)).fetchall() for name in names}
    events, signals = _grouped(found["events"]), _grouped(found["signals"])
    links, trades = _grouped(found["links"]), _grouped(found["trades"])
    requests = [_request(row) for row in found["requests"]]
    own_links = {request_id: tuple(rows.link(row[1:]) for row in group) for request_id, group in links.items()}
    wanted = {request.primary_account_id for request in requests}
    wanted |= {link.account_id for group in own_links.values() for link in group}
    accounts = await _timelines(databases, wanted)
    return {
        request.request_id: Recorded(
            request,
            events=tuple(_event(row) for row in events[request.request_id]),
            signals=tuple(Signal(row[1], SignalKind(row[2]), *row[3:]) for row in signals[request.request_id]),
            links=own_links.get(request.request_id, ()),
            trades=tuple(rows.trade(row[1:-1]) for row in trades[request.request_id]),
            moved_trades=frozenset(row[1] for row in trades[request.request_id] if row[-1]),
            accounts=accounts,
        )
        for request in requests
    }


async def _timelines(databases: Databases, account_ids: Iterable[UUID]) -> dict[UUID, Timeline]:
    by_region: dict[str, list[UUID]] = defaultdict(list)
    for account_id in account_ids:
        by_region[databases.regions.of_account(account_id)].append(account_id)
    parts = await asyncio.gather(*(_timelines_in(databases, region, ids) for region, ids in by_region.items()))
    return {account_id: line for part in parts for account_id, line in part.items()}


async def _timelines_in(databases: Databases, region: str, account_ids: list[UUID]) -> dict[UUID, Timeline]:
    arguments = {"localities": [locality_of(i) for i in account_ids], "account_ids": account_ids}
    async with databases.transaction(region) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        accounts = await (await connection.execute(SQL["accounts"], arguments)).fetchall()
        changes = _grouped(await (await connection.execute(SQL["account_changes"], arguments)).fetchall())
    return {row[0]: timeline(rows.account(row), _changes(changes[row[0]])) for row in accounts}


def _changes(found: Sequence[tuple[Any, ...]]) -> list[AccountChangeEvent]:
    changed_by_request: dict[UUID, dict[str, Any]] = {}
    changes = []
    for _, version, when, changed, restored, request_id in found:
        if changed is not None:
            changed_by_request[request_id] = changed
            before = {name: old for name, (old, _) in changed.items()}
        else:
            # Given back only what still was as the request had left it.
            given = changed_by_request.get(request_id, {})
            before = {name: given[name][1] for name in restored or {} if name in given}
        changes.append(AccountChangeEvent(version, when, before))
    return changes


def _request(row: tuple[Any, ...]) -> Request:
    request_id, locality, type_id, account_id, status, requested_by, created_ts, details = row
    return Request(request_id, locality, type_id, account_id, Status(status), requested_by, created_ts, details)


def _event(row: tuple[Any, ...]) -> Transition:
    request_id, locality, expected_seq, link_id, status, event_ts, actor, key, metadata = row
    return Transition(request_id, locality, expected_seq, link_id, Status(status), event_ts, actor, key, metadata)


def _grouped(found: Iterable[tuple[Any, ...]]) -> dict[UUID, list[tuple[Any, ...]]]:
    groups: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for row in found:
        groups[row[0]].append(row)
    return groups
