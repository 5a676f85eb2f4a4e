"""When a request is refused, and why: pure checks, one per request type.

A reason is a short stable word, kept in the metadata of the FAILED event and counted by dashboards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from streams_app.systems.requests.model import Account, Context, RequestType

STRATEGIES = frozenset({"Growth", "Income", "Balanced", "Aggressive"})
CURRENCIES = frozenset({"USD", "EUR", "GBP"})
RISK_PROFILES = frozenset({"LOW", "MEDIUM", "HIGH"})
MAILING_PREFERENCES = frozenset({"EMAIL", "PAPER", "NONE"})
PERMISSIONS = frozenset({"VIEW", "TRADE", "MARGIN", "OPTIONS", "WITHDRAW", "API"})

ACCOUNT_DETAILS = ("strategy", "base_currency", "risk_profile", "contact_email", "mailing_preference")
# Services that need another one first.
NEEDS = {"MARGIN": "TRADE", "OPTIONS": "MARGIN"}

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MAX_QUANTITY = Decimal(10) ** 12
_STEP = Decimal("0.0001")


def refusal(context: Context) -> str | None:
    """The reason to refuse the request as things are now, or None."""
    account = context.primary
    if account is None:
        return "account_unknown"
    details: object = context.request.details
    if not isinstance(details, dict):
        return "details_invalid"
    onboarding = context.request.type_id == RequestType.ACCOUNT_ONBOARDING
    if account.status == "CLOSED":
        return "account_closed"
    if onboarding != (account.status == "PENDING"):
        return "account_already_open" if onboarding else "account_not_open"
    settles = context.request.type_id == RequestType.ACCOUNT_PROFILE_UPDATE
    if not settles and any(trade.status.is_open for trade in context.trades):
        return "trades_not_allowed"
    check = CHECKS.get(context.request.type_id)
    return None if check is None else check(context, account)


def decimal(value: Any) -> Decimal | None:
    """`value` (text or integer) as an exact positive number of at most four decimals, or None."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or not 0 < number < _MAX_QUANTITY or number != number.quantize(_STEP):
        return None
    return number


def onboarding(context: Context, account: Account) -> str | None:
    """A new account needs every detail, each with a known value."""
    details = context.request.details
    if any(name not in details for name in ("strategy", "base_currency", "risk_profile")):
        return "details_missing"
    return _profile_reason({name: details[name] for name in ACCOUNT_DETAILS if name in details})


def profile_update(context: Context, account: Account) -> str | None:
    """A profile change names known fields with known values, and changes something."""
    changes = context.request.details.get("changes")
    if not isinstance(changes, dict) or not changes:
        return "nothing_to_change"
    if "base_currency" in changes:
        return "currency_is_fixed"
    reason = _profile_reason(changes)
    if reason is None and all(getattr(account, name) == value for name, value in changes.items()):
        return "nothing_to_change"
    return reason


def permission_change(context: Context, account: Account) -> str | None:
    """Permissions are known, granted once, revoked when held, and never left without what they need."""
    grant, revoke = (_names(context.request.details.get(name, [])) for name in ("grant", "revoke"))
    if grant is None or revoke is None or not (grant or revoke) or (grant | revoke) - PERMISSIONS:
        return "permission_unknown"
    if grant & revoke:
        return "permission_conflict"
    if grant & account.permissions:
        return "permission_already_held"
    if revoke - account.permissions:
        return "permission_not_held"
    after = (account.permissions | grant) - revoke
    if any(name in after and needed not in after for name, needed in NEEDS.items()):
        return "permission_needs_another"
    return None


def close(context: Context, account: Account) -> str | None:
    """An account closes only when nothing else is open on it."""
    if context.other_open_requests:
        return "open_requests"
    return "open_positions" if context.open_positions else None


def rebalance(context: Context, account: Account) -> str | None:
    """A rebalance has a security, a side, exact numbers, linked open accounts of one currency, and shares of 100 %."""
    details = context.request.details
    if details.get("side") not in ("BUY", "SELL") or not _symbol(details.get("symbol")):
        return "instruction_invalid"
    if decimal(details.get("quantity")) is None or decimal(details.get("price")) is None:
        return "instruction_invalid"
    linked = [link for link in context.links if link.account_id != account.account_id]
    if not linked or sum((link.allocation_pct or Decimal(0)) for link in linked) != 100:
        return "allocation_not_100"
    if any(link.allocation_pct is None or link.allocation_pct <= 0 for link in linked):
        return "allocation_not_100"
    others = [context.accounts.get(link.account_id) for link in linked]
    if any(other is None for other in others):
        return "linked_account_unknown"
    if any(other is not None and other.status != "ACTIVE" for other in others):
        return "linked_account_not_open"
    currency = details.get("currency", account.base_currency)
    if any(a is not None and a.base_currency != currency for a in (account, *others)):
        return "currency_mismatch"
    return None


CHECKS: dict[int, Callable[[Context, Account], str | None]] = {
    RequestType.ACCOUNT_ONBOARDING: onboarding,
    RequestType.ACCOUNT_PROFILE_UPDATE: profile_update,
    RequestType.ACCOUNT_PERMISSION_CHANGE: permission_change,
    RequestType.ACCOUNT_CLOSE: close,
    RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT: rebalance,
}


def _profile_reason(values: dict[str, Any]) -> str | None:
    known: dict[str, frozenset[str]] = {
        "strategy": STRATEGIES,
        "base_currency": CURRENCIES,
        "risk_profile": RISK_PROFILES,
        "mailing_preference": MAILING_PREFERENCES,
    }
    for name, value in values.items():
        if name not in ACCOUNT_DETAILS:
            return "field_unknown"
        if not isinstance(value, str) or (name in known and value not in known[name]):
            return f"{name}_invalid"
        if name == "contact_email" and (not _EMAIL.fullmatch(value) or len(value) > 254):
            return "contact_email_invalid"
    return None


def _names(value: Any) -> frozenset[str] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return frozenset(value)


def _symbol(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 16 and value.isascii() and value.isalnum()
