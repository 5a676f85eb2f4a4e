"""Requests, accounts and contexts for tests of the rules: valid unless a test says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from streams_app.databases import Regions, locality_of
from streams_app.systems.requests.model import (
    Account,
    AccountLink,
    Context,
    Head,
    Request,
    RequestType,
    Signal,
    SignalKind,
    Status,
    Trade,
)
from streams_app.systems.requests.workflow import load_workflows

WORKFLOWS = Path(__file__).resolve().parents[3] / "config/workflows.toml"
BOOK = load_workflows(WORKFLOWS)
REGIONS = Regions({"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)})
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST_ID = UUID("6f1d2c54-0000-4000-8000-000000000001")

DETAILS: dict[RequestType, dict[str, Any]] = {
    RequestType.ACCOUNT_ONBOARDING: {"strategy": "Growth", "base_currency": "EUR", "risk_profile": "LOW"},
    RequestType.ACCOUNT_PROFILE_UPDATE: {"changes": {"contact_email": "new@example.com"}},
    RequestType.ACCOUNT_PERMISSION_CHANGE: {"grant": ["API"]},
    RequestType.ACCOUNT_CLOSE: {},
    RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT: {
        "symbol": "SYM1",
        "side": "BUY",
        "quantity": "100",
        "price": "10.5",
    },
}


def account(number: int = 0, **values: Any) -> Account:
    """An open account in US dollars."""
    account_id = uuid5(REQUEST_ID, str(number))
    made = Account(
        account_id=account_id,
        locality=locality_of(account_id),
        account_number=f"A-{number}",
        account_name="An account",
        strategy="Income",
        base_currency="USD",
        status="ACTIVE",
        risk_profile="MEDIUM",
        contact_email="old@example.com",
        mailing_preference="EMAIL",
        permissions=frozenset({"VIEW", "TRADE"}),
        version=1,
    )
    return replace(made, **values)


def linked(*shares: str | None) -> tuple[AccountLink, ...]:
    """Links to the accounts 1, 2, … with these shares."""
    return tuple(
        AccountLink(account(number).account_id, "LINKED", None if share is None else Decimal(share))
        for number, share in enumerate(shares, start=1)
    )


def context(
    type_: RequestType,
    details: dict[str, Any] | None = None,
    *,
    at: str | None = None,
    accounts: tuple[Account, ...] | None = None,
    signals: tuple[SignalKind, ...] = (),
    since: datetime = NOW,
    **values: Any,
) -> Context:
    """A request of account 0, at the node named `at` since `since`; None for one without a head."""
    if accounts is None:
        onboarding = type_ is RequestType.ACCOUNT_ONBOARDING
        accounts = (account(status="PENDING" if onboarding else "ACTIVE"), account(1), account(2))
    if type_ is RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT:
        values.setdefault("links", linked("60", "40"))
    primary = account().account_id
    head = None
    if at is not None:
        node = BOOK.by_type[type_].node(at)
        head = Head(node.link_id, node.status, 3, since)
    return Context(
        request=Request(
            request_id=REQUEST_ID,
            locality=locality_of(primary),
            type_id=type_,
            primary_account_id=primary,
            status=Status.PENDING,
            requested_by="someone",
            created_ts=NOW,
            details=DETAILS[type_] if details is None else details,
        ),
        head=head,
        signals=tuple(said(kind) for kind in signals),
        accounts={a.account_id: a for a in accounts},
        **values,
    )


def said(kind: SignalKind, **payload: Any) -> Signal:
    """A signal of that kind."""
    return Signal(uuid5(REQUEST_ID, kind.value), kind, "somebody", NOW, payload)


def trade(status: Status = Status.PENDING) -> Trade:
    """A trade of account 0."""
    return Trade(uuid5(REQUEST_ID, "trade"), account().account_id, "SYM1", "BUY", Decimal(1), Decimal(2), "USD", status)
