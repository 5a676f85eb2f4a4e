"""Writing requests as a front office does: accounts, request, links, trades, events and head, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.systems.requests.generate.claims import with_claimed_numbers
from streams_app.systems.requests.generate.generator import Plan
from streams_app.systems.requests.model import Account, Context, Request, Signal, Status, Trade, Transition
from streams_app.systems.requests.rules import decide
from streams_app.systems.requests.workflow import WorkflowBook

SQL = Statements(Path(__file__).with_name("histories.sql"))


@dataclass(frozen=True, slots=True)
class History:
    """A planned request and what has happened to it so far: at least its first event."""

    plan: Plan
    created_ts: datetime
    events: tuple[Transition, ...]
    trades: tuple[Trade, ...]
    signals: tuple[Signal, ...] = ()


def request_of(plan: Plan, created: datetime) -> Request:
    """The planned request, as its row will be read."""
    return Request(
        request_id=plan.request_id,
        locality=plan.locality,
        type_id=plan.type,
        primary_account_id=plan.primary_account_id,
        status=Status.PENDING,
        requested_by=plan.requested_by,
        created_ts=created,
        details=plan.details,
    )


def begun(plan: Plan, book: WorkflowBook, now: datetime) -> History:
    """The history of a request that arrives `now`: its first event, as the orchestrator itself would make it."""
    decision = decide(Context(request_of(plan, now), head=None), book, now)
    assert decision is not None
    return History(plan, now, (decision.transition,), plan.trades)


async def write_accounts(databases: Databases, region: str, accounts: Iterable[Account]) -> int:
    """Write accounts of `region`, and return how many are new: one that is there stays. Raises what psycopg raises.

    An account whose number belongs to another one is not written; the log says so.
    """
    claimed = await with_claimed_numbers(databases, accounts)
    async with databases.transaction(region) as connection:
        return (await connection.execute(SQL["add_accounts"], _accounts(claimed))).rowcount


async def write_histories(
    databases: Databases, region: str, histories: Sequence[History], accounts: Iterable[Account] = ()
) -> set[UUID]:
    """Write requests of `region`, and accounts of it that they need, in one transaction.

    Returns the new requests: one that is there already stays as it is, with all its rows. Raises what psycopg raises.
    An account whose number belongs to another one is not written; its requests are, and will be refused.
    """
    claimed = await with_claimed_numbers(databases, accounts)
    async with databases.transaction(region) as connection:
        # One round trip for both statements: between regions and clients lie milliseconds.
        async with connection.pipeline():
            await connection.execute(SQL["add_accounts"], _accounts(claimed))
            cursor = await connection.execute(SQL["add_requests"], _requests(histories))
            new = {row[0] for row in await cursor.fetchall()}
        written = [history for history in histories if history.plan.request_id in new]
        if written:
            await _write_rest(connection, written)
        return new


async def _write_rest(connection: Connection, histories: Sequence[History]) -> None:
    async with connection.pipeline():
        await connection.execute(SQL["add_links"], _links(histories))
        await connection.execute(SQL["add_events"], _steps([step for h in histories for step in h.events]))
        await connection.execute(SQL["add_heads"], _heads([h.events[-1] for h in histories]))
        if any(history.trades for history in histories):
            await connection.execute(SQL["add_trades"], _trades(histories))
        if any(history.signals for history in histories):
            await connection.execute(SQL["add_signals"], _signals(histories))


def _accounts(rows: Sequence[Account]) -> dict[str, Any]:
    return {
        "account_ids": [a.account_id for a in rows],
        "numbers": [a.account_number for a in rows],
        "names": [a.account_name for a in rows],
        "strategies": [a.strategy for a in rows],
        "currencies": [a.base_currency for a in rows],
        "statuses": [a.status for a in rows],
        "risk_profiles": [a.risk_profile for a in rows],
        "emails": [a.contact_email for a in rows],
        "mailings": [a.mailing_preference for a in rows],
        "permissions": [",".join(sorted(a.permissions)) for a in rows],
        "versions": [a.version for a in rows],
    }


def _requests(histories: Sequence[History]) -> dict[str, Any]:
    plans = [h.plan for h in histories]
    return {
        "localities": [p.locality for p in plans],
        "request_ids": [p.request_id for p in plans],
        "type_ids": [int(p.type) for p in plans],
        "account_ids": [p.primary_account_id for p in plans],
        "created": [h.created_ts for h in histories],
        "requested_by": [p.requested_by for p in plans],
        "descriptions": [p.description for p in plans],
        "effective": [_effective(h) for h in histories],
        "status_ids": [int(h.events[-1].status) for h in histories],
        "details": [orjson.dumps(p.details).decode() for p in plans],
    }


def _effective(history: History) -> datetime | None:
    days = history.plan.effective_days
    return None if days is None else history.created_ts + timedelta(days=days)


def _links(histories: Sequence[History]) -> dict[str, Any]:
    rows = [(h.plan, link) for h in histories for link in h.plan.links]
    return {
        "localities": [plan.locality for plan, _ in rows],
        "request_ids": [plan.request_id for plan, _ in rows],
        "account_ids": [link.account_id for _, link in rows],
        "roles": [link.role for _, link in rows],
        "allocations": [link.allocation_pct for _, link in rows],
    }


def _heads(steps: Sequence[Transition]) -> dict[str, Any]:
    return {
        "localities": [t.locality for t in steps],
        "request_ids": [t.request_id for t in steps],
        "seq_nums": [t.expected_seq + 1 for t in steps],
        "link_ids": [t.link_id for t in steps],
        "status_ids": [int(t.status) for t in steps],
        "event_times": [t.event_ts for t in steps],
    }


def _steps(steps: Sequence[Transition]) -> dict[str, Any]:
    return _heads(steps) | {
        "actors": [t.actor for t in steps],
        "metadata": [orjson.dumps(t.metadata).decode() for t in steps],
        "idempotency_keys": [t.idempotency_key for t in steps],
    }


def _trades(histories: Sequence[History]) -> dict[str, Any]:
    rows = [(h, trade) for h in histories for trade in h.trades]
    return {
        "localities": [h.plan.locality for h, _ in rows],
        "trade_ids": [t.trade_id for _, t in rows],
        "request_ids": [h.plan.request_id for h, _ in rows],
        "account_ids": [t.account_id for _, t in rows],
        "symbols": [t.symbol for _, t in rows],
        "sides": [t.side for _, t in rows],
        "quantities": [t.quantity for _, t in rows],
        "prices": [t.price for _, t in rows],
        "currencies": [t.currency for _, t in rows],
        "status_ids": [int(t.status) for _, t in rows],
        "created": [h.created_ts for h, _ in rows],
    }


def _signals(histories: Sequence[History]) -> dict[str, Any]:
    rows = [(h.plan, signal) for h in histories for signal in h.signals]
    return {
        "localities": [plan.locality for plan, _ in rows],
        "request_ids": [plan.request_id for plan, _ in rows],
        "signal_ids": [s.signal_id for _, s in rows],
        "kinds": [s.kind.value for _, s in rows],
        "actors": [s.actor for _, s in rows],
        "payloads": [orjson.dumps(s.payload).decode() for _, s in rows],
        "created": [s.created_ts for _, s in rows],
    }
