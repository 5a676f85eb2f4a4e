"""The plain data of account requests: what is read, what is decided, what is written.

Names and columns follow the tables in tables_sql/postgres/requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID


class Status(IntEnum):
    """request_status: the coarse lifecycle of a request or a trade."""

    PENDING = 1
    IN_PROGRESS = 2
    COMPLETE = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def is_open(self) -> bool:
        """True while something may still happen."""
        return self in (Status.PENDING, Status.IN_PROGRESS)


class RequestType(IntEnum):
    """request_type: the five named types of account requests."""

    ACCOUNT_ONBOARDING = 1
    ACCOUNT_PROFILE_UPDATE = 2
    ACCOUNT_PERMISSION_CHANGE = 3
    ACCOUNT_CLOSE = 4
    PORTFOLIO_REBALANCE_ADJUSTMENT = 5


class SignalKind(StrEnum):
    """What the outside world may say of a request; also the outcome it has at a waiting node."""

    APPROVE = "approve"
    REJECT = "reject"
    DOCUMENTS = "documents"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Head:
    """request_status_head: the current state of a request."""

    link_id: int
    status: Status
    seq_num: int
    event_ts: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """request_info: what is asked for, by whom, of which account."""

    request_id: UUID
    locality: int
    type_id: int
    primary_account_id: UUID
    status: Status
    requested_by: str
    created_ts: datetime
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """account_info: a portfolio or client account. `version` guards decisions made from this row."""

    account_id: UUID
    locality: int
    account_number: str
    account_name: str
    strategy: str | None
    base_currency: str | None
    status: str
    risk_profile: str | None
    contact_email: str | None
    mailing_preference: str | None
    permissions: frozenset[str]
    version: int

    def column(self, name: str) -> Any:
        """The value of a column of account_info that a request may change, as JSON holds it."""
        if name == "permissions":
            return sorted(self.permissions)
        return self.status if name == "account_status" else getattr(self, name)


@dataclass(frozen=True, slots=True)
class AccountLink:
    """request_account_link: an account that the request affects, and its share in percent."""

    account_id: UUID
    role: str
    allocation_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class Trade:
    """trade_info: an instruction that follows from a request."""

    trade_id: UUID
    account_id: UUID
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    status: Status = Status.PENDING


@dataclass(frozen=True, slots=True)
class Signal:
    """request_signal: one thing that the outside world said of a request."""

    signal_id: UUID
    kind: SignalKind
    actor: str
    created_ts: datetime
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a decision about one request may look at, read at one moment.

    `accounts` holds the primary and the linked accounts that exist. `signals` are those not yet applied,
    oldest first. `changed` holds what this request changed of its primary account, column → (before, after), when a
    cancel signal waits. `other_open_requests` and `open_positions` concern the primary account, in its region.
    """

    request: Request
    head: Head | None
    signals: tuple[Signal, ...] = ()
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    accounts: dict[UUID, Account] = field(default_factory=dict)
    links: tuple[AccountLink, ...] = ()
    trades: tuple[Trade, ...] = ()
    other_open_requests: int = 0
    open_positions: int = 0

    @property
    def primary(self) -> Account | None:
        """The primary account, or None when no such account exists."""
        return self.accounts.get(self.request.primary_account_id)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """New values for columns of one account, valid only while the row has `expected_version`."""

    account_id: UUID
    locality: int
    expected_version: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one request: a row of the log and the new head, valid only after `expected_seq`.

    `expected_seq` is 0 for the first event. `idempotency_key` names the cause, so that one cause moves a
    request once however often it is delivered.
    """

    request_id: UUID
    locality: int
    expected_seq: int
    link_id: int
    status: Status
    event_ts: datetime
    actor: str
    idempotency_key: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """All effects of one step. They are applied together, in the transaction of the request's region."""

    transition: Transition
    account_change: AccountChange | None = None
    new_trades: tuple[Trade, ...] = ()
    trades_status: Status | None = None
