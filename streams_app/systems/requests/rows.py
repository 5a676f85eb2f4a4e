"""From rows of queries.sql to plain data, column by column."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from streams_app.systems.requests.model import (
    Account,
    AccountLink,
    Context,
    Head,
    Request,
    Signal,
    SignalKind,
    Status,
    Trade,
)


def context(row: tuple[Any, ...]) -> Context:
    """A row of load_requests."""
    request_id, locality, type_id, account_id, status, requested_by, created_ts, details = row[:8]
    link_id, head_status, seq_num, event_ts, signals, changed = row[8:]
    return Context(
        Request(request_id, locality, type_id, account_id, Status(status), requested_by, created_ts, details),
        None if link_id is None else Head(link_id, Status(head_status), seq_num, event_ts),
        tuple(signal(item) for item in signals or ()),
        {name: (before, after) for name, (before, after) in (changed or {}).items()},
    )


def signal(item: list[Any]) -> Signal:
    """One element of the `signals` array of load_requests."""
    signal_id, kind, actor, created_ts, payload = item
    return Signal(UUID(signal_id), SignalKind(kind), actor, datetime.fromisoformat(created_ts), payload)


def link(row: tuple[Any, ...]) -> AccountLink:
    """A row of load_links, without its request."""
    return AccountLink(*row)


def trade(row: tuple[Any, ...]) -> Trade:
    """A row of load_trades, without its request."""
    trade_id, account_id, symbol, side, quantity, price, currency, status = row
    return Trade(trade_id, account_id, symbol, side, quantity, price, currency, Status(status))


def account(row: tuple[Any, ...]) -> Account:
    """A row of load_accounts."""
    account_id, locality, number, name, strategy, currency, status, risk, email, mailing, permissions, version = row
    return Account(
        account_id,
        locality,
        number,
        name,
        strategy,
        currency,
        status,
        risk,
        email,
        mailing,
        frozenset(permissions),
        version,
    )
