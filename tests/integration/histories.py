"""A small world of account requests with every kind of ending, made by the orchestrator itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from streams_app.databases import Databases, locality_of
from streams_app.systems.requests.model import RequestType, SignalKind
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.store import RequestKey, Store
from streams_app.systems.requests.workflow import WorkflowBook

DETAILS = {"strategy": "Growth", "base_currency": "USD", "risk_profile": "LOW"}
APPROVED = (SignalKind.APPROVE,)
# More steps than any workflow has.
ENOUGH = 12


@dataclass(frozen=True)
class Story:
    """One request: what is asked, what the outside world says, and trades that come with it."""

    name: str
    type: RequestType
    details: dict[str, Any]
    signals: tuple[SignalKind, ...] = ()
    pending_account: bool = False
    linked: tuple[int, ...] = ()
    trades: int = 0
    age: timedelta = field(default=timedelta(minutes=1))


STORIES = (
    Story("onboarding", RequestType.ACCOUNT_ONBOARDING, DETAILS, (SignalKind.DOCUMENTS, *APPROVED), True),
    Story("rejected", RequestType.ACCOUNT_ONBOARDING, DETAILS, (SignalKind.REJECT,), True),
    Story("timed out", RequestType.ACCOUNT_ONBOARDING, DETAILS, pending_account=True, age=timedelta(days=4)),
    Story("waiting", RequestType.ACCOUNT_ONBOARDING, DETAILS, pending_account=True),
    Story("profile", RequestType.ACCOUNT_PROFILE_UPDATE, {"changes": {"risk_profile": "HIGH"}}, APPROVED),
    Story("adjusted", RequestType.ACCOUNT_PROFILE_UPDATE, {"changes": {"mailing_preference": "PAPER"}}, trades=2),
    Story(
        "cancelled",
        RequestType.ACCOUNT_PROFILE_UPDATE,
        {"changes": {"strategy": "Income"}},
        (SignalKind.CANCEL,),
        trades=2,
    ),
    Story("permission", RequestType.ACCOUNT_PERMISSION_CHANGE, {"grant": ["TRADE"], "revoke": ["API"]}, APPROVED),
    Story("close", RequestType.ACCOUNT_CLOSE, {}, (SignalKind.DOCUMENTS, *APPROVED)),
    Story(
        "rebalance",
        RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT,
        {"side": "BUY", "symbol": "SYM1", "quantity": "100", "price": "10.5"},
        linked=(60, 40),
    ),
)


@dataclass(frozen=True)
class Row:
    """Where a request of the world is."""

    region: str
    locality: int
    request_id: UUID
    account_id: UUID


def row_of(databases: Databases, region: str, story: str) -> Row:
    """The request of `story` in `region`."""
    account_id = next(accounts(databases, region, story))
    return Row(region, locality_of(account_id), uuid5(NAMESPACE_OID, f"{region} {story}"), account_id)


def accounts(databases: Databases, region: str, story: str) -> Iterator[UUID]:
    """Accounts of `region` for `story`, always the same ones."""
    for number in range(1000):
        account_id = uuid5(NAMESPACE_OID, f"{story} account {number}")
        if databases.regions.of_account(account_id) == region:
            yield account_id


async def make_world(databases: Databases, book: WorkflowBook) -> None:
    """Every story in every region, each as far as it goes."""
    for region in databases.regions.names:
        for story in STORIES:
            await _write(databases, region, story)
            row = row_of(databases, region, story.name)
            key = RequestKey(row.locality, row.request_id)
            await _advance(databases, book, key, datetime.now(UTC) - story.age)
            await _signal(databases, region, story)
            await _advance(databases, book, key, datetime.now(UTC))


async def _write(databases: Databases, region: str, story: Story) -> None:
    row = row_of(databases, region, story.name)
    source = accounts(databases, region, story.name)
    everyone = [next(source) for _ in range(1 + len(story.linked))]
    pending = story.pending_account
    async with databases.transaction(region) as connection:
        for number, account_id in enumerate(everyone):
            await connection.execute(
                "INSERT INTO account_info (account_id, account_number, account_name, account_status, strategy, "
                "base_currency, risk_profile, mailing_preference, permissions) "
                "VALUES (%s, %s, 'An account', %s, %s, %s, %s, %s, %s)",
                (
                    account_id,
                    f"{region} {story.name} {number}",
                    "PENDING" if pending else "ACTIVE",
                    *([None] * 4 if pending else ["Growth", "USD", "LOW", "EMAIL"]),
                    [] if pending else ["API", "VIEW"],
                ),
            )
        await connection.execute(
            "INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, created_ts, "
            "requested_by, request_status_id, details) VALUES (%s, %s, %s, %s, %s, 'someone', 1, %s)",
            (
                row.locality,
                row.request_id,
                story.type,
                row.account_id,
                datetime.now(UTC) - story.age,
                json.dumps(story.details),
            ),
        )
        shares = [None, *story.linked]
        for account_id, share in zip(everyone, shares, strict=True):
            role = "PRIMARY" if share is None else "LINKED"
            await connection.execute(
                "INSERT INTO request_account_link VALUES (%s, %s, %s, %s, %s)",
                (row.locality, row.request_id, account_id, role, share),
            )
        for number in range(story.trades):
            await connection.execute(
                "INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, "
                "currency, status_id) VALUES (%s, %s, %s, %s, 'SYM2', 'BUY', %s, 1, 'USD', 1)",
                (row.locality, uuid5(row.request_id, str(number)), row.request_id, row.account_id, Decimal(5)),
            )


async def _signal(databases: Databases, region: str, story: Story) -> None:
    row = row_of(databases, region, story.name)
    async with databases.transaction(region) as connection:
        for kind in story.signals:
            await connection.execute(
                "INSERT INTO request_signal (locality, request_id, signal_id, kind, actor) "
                "VALUES (%s, %s, %s, %s, 'someone')",
                (row.locality, row.request_id, uuid5(row.request_id, kind), kind),
            )


async def _advance(databases: Databases, book: WorkflowBook, key: RequestKey, now: datetime) -> None:
    orchestrator = Orchestrator(Store(databases), databases.regions, book, lambda: now)
    for _ in range(ENOUGH):
        await orchestrator.advance([key])
