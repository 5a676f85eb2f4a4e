"""Reading contexts and applying decisions, set-based: a few statements per batch and region, whatever its size."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from streams_app.databases import Databases, Statements, locality_of
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import EventPublisher
from streams_app.errors import is_outage
from streams_app.systems.requests.model import Account, Context, Decision, RequestType
from streams_app.systems.requests.outcomes import outcomes
from streams_app.systems.requests.rows import account, context, link, trade

SQL = Statements(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Where a request is: its locality (so its region) and its id."""

    locality: int
    request_id: UUID


class Store:
    """The requests system's tables in all regions. Every method raises what psycopg raises."""

    def __init__(self, databases: Databases, publisher: EventPublisher | None = None) -> None:
        """Without a publisher nobody hears how requests end."""
        self._databases = databases
        self._publisher = publisher

    async def load(self, region: str, keys: Sequence[RequestKey]) -> list[Context]:
        """Requests with head and waiting signals. Keys without a request are missing from the answer."""
        async with self._databases.connection(region) as connection:
            cursor = await connection.execute(SQL["load_requests"], _keys(keys))
            return [context(row) for row in await cursor.fetchall()]

    async def complete(self, region: str, contexts: Sequence[Context]) -> list[Context]:
        """The same contexts with links, trades and accounts (wherever these live), and the use of closing accounts.

        Contexts that need an account of another region that cannot be reached are left out.
        """
        if not contexts:
            return []
        keys = _keys([RequestKey(c.request.locality, c.request.request_id) for c in contexts])
        closing = [c.request for c in contexts if c.request.type_id == RequestType.ACCOUNT_CLOSE]
        use_of = {
            "localities": [request.locality for request in closing],
            "account_ids": [request.primary_account_id for request in closing],
            "request_ids": [request.request_id for request in closing],
            "region_localities": self._databases.regions.localities(region),
        }
        async with self._databases.connection(region) as connection, connection.pipeline():
            link_rows = await connection.execute(SQL["load_links"], keys)
            trade_rows = await connection.execute(SQL["load_trades"], keys)
            use_rows = await connection.execute(SQL["load_account_use"], use_of) if closing else None
            links = _grouped(await link_rows.fetchall(), link)
            trades = _grouped(await trade_rows.fetchall(), trade)
            use = {row[1]: (row[2], row[3]) for row in await use_rows.fetchall()} if use_rows else {}
        wanted = {c.request.primary_account_id for c in contexts}
        wanted |= {entry.account_id for group in links.values() for entry in group}
        accounts, unreached = await self._accounts(region, wanted)
        return [
            _completed(c, links, trades, accounts, use)
            for c in contexts
            if unreached.isdisjoint(entry.account_id for entry in links.get(c.request.request_id, ()))
        ]

    async def _accounts(self, home: str, account_ids: Iterable[UUID]) -> tuple[dict[UUID, Account], set[UUID]]:
        """The accounts that exist, and those whose region, another one than `home`, cannot be reached."""
        by_region: dict[str, list[UUID]] = defaultdict(list)
        for account_id in account_ids:
            by_region[self._databases.regions.of_account(account_id)].append(account_id)
        parts = await asyncio.gather(
            *(self._accounts_of(region, ids) for region, ids in by_region.items()), return_exceptions=True
        )
        accounts: dict[UUID, Account] = {}
        unreached: set[UUID] = set()
        for (region, ids), part in zip(by_region.items(), parts, strict=True):
            if not isinstance(part, BaseException):
                accounts |= {row.account_id: row for row in part}
            elif region != home and isinstance(part, Exception) and is_outage(part):
                unreached.update(ids)
            else:
                raise part
        return accounts, unreached

    async def _accounts_of(self, region: str, account_ids: list[UUID]) -> list[Account]:
        async with self._databases.connection(region) as connection:
            arguments = {"localities": [locality_of(i) for i in account_ids], "account_ids": account_ids}
            cursor = await connection.execute(SQL["load_accounts"], arguments)
            return [account(row) for row in await cursor.fetchall()]

    async def apply(self, region: str, decisions: Sequence[Decision]) -> set[UUID]:
        """Apply decisions in one transaction; at most one account change per account.

        Returns the requests whose step was made. The others are refused: their head or their account is no longer
        what the decision was made from, so load and decide again.
        """
        if not decisions:
            return set()

        async def apply(connection: Connection) -> set[UUID]:
            moved = await _apply(connection, decisions)
            ended = outcomes(d for d in decisions if d.transition.request_id in moved)
            if ended and self._publisher is not None:
                await self._publisher.publish(region, ended, connection)
            return moved

        return await in_transaction(self._databases, region, apply, partial(self._made, region, decisions))

    async def _made(self, region: str, decisions: Sequence[Decision]) -> set[UUID] | None:
        """The requests whose step is there, after a commit that nobody answered; None when none is."""
        async with self._databases.connection(region) as connection:
            cursor = await connection.execute(SQL["find_events"], _transitions(decisions))
            return {row[0] for row in await cursor.fetchall()} or None

    async def overdue(
        self, region: str, before: dict[int, datetime], headless_before: datetime, limit: int
    ) -> list[RequestKey]:
        """Incomplete requests whose step (a link id) began before the given time, and old ones without a head."""
        async with self._databases.connection(region) as connection, connection.pipeline():
            shared: dict[str, Any] = {"localities": self._databases.regions.localities(region), "limit": limit}
            arguments = shared | {"link_ids": list(before), "before": list(before.values())}
            late = await connection.execute(SQL["find_overdue"], arguments)
            headless = await connection.execute(SQL["find_headless"], shared | {"before": headless_before})
            return [RequestKey(*row) for row in (*await late.fetchall(), *await headless.fetchall())]

    async def unheard(
        self, region: str, heard: Sequence[tuple[int, str]], before: datetime, limit: int
    ) -> list[RequestKey]:
        """Waiting requests with a signal from before `before` that no event has applied, though their link hears it."""
        arguments = {
            "localities": self._databases.regions.localities(region),
            "link_ids": [link_id for link_id, _ in heard],
            "kinds": [kind for _, kind in heard],
            "before": before,
            "limit": limit,
        }
        async with self._databases.connection(region) as connection:
            cursor = await connection.execute(SQL["find_unheard"], arguments)
            return [RequestKey(*row) for row in await cursor.fetchall()]


async def _apply(connection: Connection, decisions: Sequence[Decision]) -> set[UUID]:
    decisions = await _with_unchanged_accounts(connection, decisions)
    moved = await _move_heads(connection, decisions)
    made = [d for d in decisions if d.transition.request_id in moved]
    if made:
        async with connection.pipeline():
            await _write_effects(connection, made)
    return moved


async def _with_unchanged_accounts(connection: Connection, decisions: Sequence[Decision]) -> Sequence[Decision]:
    changes = [d.account_change for d in decisions if d.account_change is not None]
    if not changes:
        return decisions
    cursor = await connection.execute(
        SQL["lock_accounts"],
        {
            "localities": [c.locality for c in changes],
            "account_ids": [c.account_id for c in changes],
            "versions": [c.expected_version for c in changes],
        },
    )
    locked = {row[0] for row in await cursor.fetchall()}
    return [d for d in decisions if d.account_change is None or d.account_change.account_id in locked]


async def _move_heads(connection: Connection, decisions: Sequence[Decision]) -> set[UUID]:
    moved: set[UUID] = set()
    for name, chosen in (
        ("move_heads", [d for d in decisions if d.transition.expected_seq > 0]),
        ("insert_heads", [d for d in decisions if d.transition.expected_seq == 0]),
    ):
        if chosen:
            # One order of rows in every transaction, so that two workers never wait for each other.
            chosen.sort(key=lambda d: d.transition.request_id)
            cursor = await connection.execute(SQL[name], _transitions(chosen))
            moved.update(row[0] for row in await cursor.fetchall())
    return moved


async def _write_effects(connection: Connection, made: Sequence[Decision]) -> None:
    steps = _transitions(made)
    await connection.execute(SQL["append_events"], steps)
    await connection.execute(SQL["update_requests"], steps)
    changes = [d.account_change for d in made if d.account_change is not None]
    if changes:
        arguments: dict[str, Any] = {
            "localities": [c.locality for c in changes],
            "account_ids": [c.account_id for c in changes],
            "changes": [orjson.dumps(c.values).decode() for c in changes],
        }
        await connection.execute(SQL["update_accounts"], arguments)
    following = [d for d in made if d.trades_status is not None]
    if following:
        arguments = _transitions(following) | {"status_ids": [int(d.trades_status or 0) for d in following]}
        await connection.execute(SQL["update_trades"], arguments)
    trades = [(d.transition, t) for d in made for t in d.new_trades]
    if trades:
        arguments = {
            "localities": [step.locality for step, _ in trades],
            "request_ids": [step.request_id for step, _ in trades],
            "trade_ids": [t.trade_id for _, t in trades],
            "account_ids": [t.account_id for _, t in trades],
            "symbols": [t.symbol for _, t in trades],
            "sides": [t.side for _, t in trades],
            "quantities": [t.quantity for _, t in trades],
            "prices": [t.price for _, t in trades],
            "currencies": [t.currency for _, t in trades],
            "status_ids": [int(t.status) for _, t in trades],
        }
        await connection.execute(SQL["insert_trades"], arguments)


def _transitions(decisions: Sequence[Decision]) -> dict[str, Any]:
    steps = [d.transition for d in decisions]
    return {
        "localities": [t.locality for t in steps],
        "request_ids": [t.request_id for t in steps],
        "expected_seqs": [t.expected_seq for t in steps],
        "link_ids": [t.link_id for t in steps],
        "status_ids": [int(t.status) for t in steps],
        "event_times": [t.event_ts for t in steps],
        "actors": [t.actor for t in steps],
        "metadata": [orjson.dumps(t.metadata).decode() for t in steps],
        "idempotency_keys": [t.idempotency_key for t in steps],
    }


def _keys(keys: Sequence[RequestKey]) -> dict[str, Any]:
    return {"localities": [k.locality for k in keys], "request_ids": [k.request_id for k in keys]}


def _grouped(rows: Iterable[tuple[Any, ...]], build: Any) -> dict[UUID, tuple[Any, ...]]:
    groups: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(build(row[1:]))
    return {request_id: tuple(group) for request_id, group in groups.items()}


def _completed(
    brief: Context,
    links: dict[UUID, tuple[Any, ...]],
    trades: dict[UUID, tuple[Any, ...]],
    accounts: dict[UUID, Account],
    use: dict[UUID, tuple[int, int]],
) -> Context:
    request = brief.request
    own_links = links.get(request.request_id, ())
    wanted = {request.primary_account_id, *(entry.account_id for entry in own_links)}
    open_requests, open_positions = use.get(request.request_id, (0, 0))
    return replace(
        brief,
        links=own_links,
        trades=trades.get(request.request_id, ()),
        accounts={i: accounts[i] for i in wanted if i in accounts},
        other_open_requests=open_requests,
        open_positions=open_positions,
    )
