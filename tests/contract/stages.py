"""The two worlds of the contract suite: rows put in before a test acts, and read back after it."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from streams_app.databases import Databases, Regions
from streams_app.systems.requests.model import Account, AccountLink, Context, Head, Request, Signal, Trade
from streams_app.systems.requests.store import RequestKey, Store
from tests.contract.memory_store import MemoryStore, key_of


class Stage(Protocol):
    """A store and the rows behind it."""

    regions: Regions
    store: Any

    async def put(
        self,
        request: Request,
        head: Head | None = None,
        *,
        accounts: tuple[Account, ...] = (),
        links: tuple[AccountLink, ...] = (),
        trades: tuple[Trade, ...] = (),
        signals: tuple[Signal, ...] = (),
    ) -> None:
        """Write a request and what belongs to it. A head stands without events."""

    async def signal(self, request: Request, signal: Signal) -> None:
        """Write a signal of a request that is there."""

    async def events(self, key: RequestKey) -> list[tuple[int, str]]:
        """Number and idempotency key of each event of a request."""


class MemoryStage:
    """Dictionaries."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions
        self.store = MemoryStore(regions)

    async def put(
        self,
        request: Request,
        head: Head | None = None,
        *,
        accounts: tuple[Account, ...] = (),
        links: tuple[AccountLink, ...] = (),
        trades: tuple[Trade, ...] = (),
        signals: tuple[Signal, ...] = (),
    ) -> None:
        key, store = key_of(request), self.store
        store.requests[key] = request
        if head is not None:
            store.heads[key] = head
        store.accounts |= {account.account_id: account for account in accounts}
        store.links[request.request_id] = list(links)
        store.trades[key] = {trade.trade_id: trade for trade in trades}
        store.signals[key] = list(signals)

    async def signal(self, request: Request, signal: Signal) -> None:
        self.store.signals[key_of(request)].append(signal)

    async def events(self, key: RequestKey) -> list[tuple[int, str]]:
        return [(step.expected_seq + 1, step.idempotency_key) for step in self.store.log.get(key, [])]


class PostgresStage:
    """The tables of three databases, through their poolers, as the application."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.regions = databases.regions
        self.store = Store(databases)

    async def put(
        self,
        request: Request,
        head: Head | None = None,
        *,
        accounts: tuple[Account, ...] = (),
        links: tuple[AccountLink, ...] = (),
        trades: tuple[Trade, ...] = (),
        signals: tuple[Signal, ...] = (),
    ) -> None:
        for account in accounts:
            await self._insert(self.regions.of(account.locality), "account_info", _account_columns(account))
        region, key = self.regions.of(request.locality), _columns(request, "locality", "request_id")
        await self._insert(region, "request_info", _request_columns(request))
        if head is not None:
            columns = key | _columns(head, "seq_num", "event_ts")
            columns |= {"action_state_link_id": head.link_id, "status_id": int(head.status)}
            await self._insert(region, "request_status_head", columns)
        for link in links:
            columns = key | _columns(link, "account_id", "role", "allocation_pct")
            await self._insert(region, "request_account_link", columns)
        for trade in trades:
            names = ("trade_id", "account_id", "symbol", "side", "quantity", "price", "currency")
            columns = key | _columns(trade, *names) | {"status_id": int(trade.status)}
            await self._insert(region, "trade_info", columns)
        for signal in signals:
            await self.signal(request, signal)

    async def signal(self, request: Request, signal: Signal) -> None:
        columns = _columns(request, "locality", "request_id") | _columns(signal, "signal_id", "actor", "created_ts")
        columns |= {"kind": signal.kind.value, "payload": orjson.dumps(signal.payload).decode()}
        await self._insert(self.regions.of(request.locality), "request_signal", columns)

    async def _insert(self, region: str, table: str, columns: dict[str, Any]) -> None:
        names, places = ", ".join(columns), ", ".join(f"%({name})s" for name in columns)
        async with self._databases.connection(region) as connection:
            await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})".encode(), columns)

    async def events(self, key: RequestKey) -> list[tuple[int, str]]:
        async with self._databases.connection(self.regions.of(key.locality)) as connection:
            cursor = await connection.execute(
                "SELECT seq_num, idempotency_key FROM request_event_log "
                "WHERE locality = %s AND request_id = %s ORDER BY seq_num",
                (key.locality, key.request_id),
            )
            return list(await cursor.fetchall())


async def read(stage: Stage, request: Request) -> Context:
    """Everything the store knows of a request."""
    region = stage.regions.of(request.locality)
    (context,) = await stage.store.complete(region, await stage.store.load(region, [key_of(request)]))
    return context


def _columns(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _request_columns(request: Request) -> dict[str, Any]:
    names = ("locality", "request_id", "primary_account_id", "requested_by", "created_ts")
    return _columns(request, *names) | {
        "request_type_id": request.type_id,
        "request_status_id": int(request.status),
        "details": orjson.dumps(request.details).decode(),
    }


def _account_columns(account: Account) -> dict[str, Any]:
    names = ("account_id", "account_number", "account_name", "strategy", "base_currency", "risk_profile", "version")
    columns = _columns(account, *names, "contact_email", "mailing_preference")
    return columns | {"account_status": account.status, "permissions": sorted(account.permissions)}
