"""What generated requests ask for: their details, right or wrong for one reason of checks.py."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from streams_app.systems.requests.checks import MAILING_PREFERENCES, RISK_PROFILES, STRATEGIES
from streams_app.systems.requests.instructions import trade_id
from streams_app.systems.requests.model import Account, AccountLink, RequestType, Trade

# A close of an account in use: whether it is refused, and why, depends on how far the earlier requests have come.
IN_USE = "in_use"

# The reasons that each type can be refused for.
REASONS: dict[RequestType, tuple[str, ...]] = {
    RequestType.ACCOUNT_ONBOARDING: (
        "account_unknown", "account_closed", "account_already_open", "details_missing", "strategy_invalid",
        "base_currency_invalid", "risk_profile_invalid", "contact_email_invalid", "mailing_preference_invalid",
    ),
    RequestType.ACCOUNT_PROFILE_UPDATE: (
        "account_unknown", "account_closed", "account_not_open", "nothing_to_change", "currency_is_fixed",
        "field_unknown", "strategy_invalid", "risk_profile_invalid", "contact_email_invalid",
    ),
    RequestType.ACCOUNT_PERMISSION_CHANGE: (
        "account_unknown", "account_closed", "account_not_open", "permission_unknown", "permission_conflict",
        "permission_already_held", "permission_not_held", "permission_needs_another",
    ),
    RequestType.ACCOUNT_CLOSE: ("account_unknown", "account_closed", "account_not_open", IN_USE, IN_USE, IN_USE),
    RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT: (
        "account_unknown", "account_closed", "instruction_invalid", "allocation_not_100", "linked_account_unknown",
        "linked_account_not_open", "currency_mismatch",
    ),
}  # fmt: skip

DESCRIPTIONS: dict[RequestType, str] = {
    RequestType.ACCOUNT_ONBOARDING: "Open an account",
    RequestType.ACCOUNT_PROFILE_UPDATE: "Change the profile",
    RequestType.ACCOUNT_PERMISSION_CHANGE: "Change permissions",
    RequestType.ACCOUNT_CLOSE: "Close the account",
    RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT: "Rebalance with linked accounts",
}

_WRONG = {
    "strategy": "Reckless",
    "base_currency": "XXX",
    "risk_profile": "EXTREME",
    "contact_email": "nobody at all",
    "mailing_preference": "PIGEON",
}
# Four changes that hold side by side, in any order, on an account with the first permissions.
_PERMISSION_CHANGES = ({"grant": ["API"]}, {"revoke": ["WITHDRAW"]}, {"grant": ["MARGIN"]}, {"revoke": ["VIEW"]})
_WRONG_PERMISSIONS = {
    "permission_unknown": {"grant": ["FLY"]},
    "permission_conflict": {"grant": ["API"], "revoke": ["API"]},
    "permission_already_held": {"grant": ["TRADE"]},
    "permission_not_held": {"revoke": ["OPTIONS"]},
    "permission_needs_another": {"grant": ["OPTIONS"]},
}
# Sorted, because the order of a set differs from process to process.
_STRATEGIES, _RISKS, _MAILINGS = (sorted(values) for values in (STRATEGIES, RISK_PROFILES, MAILING_PREFERENCES))
_HUNDREDTH = Decimal("0.01")


def onboarding(index: int, reason: str | None, rng: Random) -> dict[str, Any]:
    """The details of a new account."""
    content: dict[str, Any] = {
        "strategy": rng.choice(_STRATEGIES),
        "base_currency": rng.choice(("USD", "USD", "EUR", "GBP")),
        "risk_profile": rng.choice(_RISKS),
        "contact_email": f"new.client.{index}@example.com",
        "mailing_preference": rng.choice(_MAILINGS),
    }
    if reason == "details_missing":
        del content["risk_profile"]
    return content | _wrong_value(reason)


def profile_update(index: int, reason: str | None, new_strategy: bool, rng: Random) -> dict[str, Any]:
    """Changes of a profile. The address is new each time, so that a valid request always changes something."""
    changes: dict[str, Any] = {"contact_email": f"client.{index}@example.com"}
    if new_strategy:
        changes["strategy"] = rng.choice(_STRATEGIES)
    elif rng.random() < 0.25:
        changes["risk_profile"] = rng.choice(_RISKS)
    else:
        changes["mailing_preference"] = rng.choice(_MAILINGS)
    match reason:
        case "nothing_to_change":
            changes = {}
        case "currency_is_fixed":
            changes["base_currency"] = "EUR"
        case "field_unknown":
            changes["shoe_size"] = "44"
    return {"changes": changes | _wrong_value(reason)}


def permission_change(position: int, reason: str | None) -> dict[str, Any]:
    """Services to grant or revoke: by the position in the group, or wrong."""
    return dict(_WRONG_PERMISSIONS.get(reason or "", _PERMISSION_CHANGES[position]))


def rebalance(reason: str | None, rng: Random) -> dict[str, Any]:
    """How much of which security moves, in decimal text; about one in seven is worth more than the approval limit."""
    quantity = "0" if reason == "instruction_invalid" else f"{rng.randrange(100_000, 10_000_000) / 10_000:.4f}"
    return {
        "symbol": f"SYM{rng.randrange(1, 51):04d}",
        "side": rng.choice(("BUY", "SELL")),
        "quantity": quantity,
        "price": f"{rng.randrange(500, 50_000) / 100:.2f}",
    }


def allocated(partners: Sequence[Account], reason: str | None, rng: Random) -> tuple[AccountLink, ...]:
    """Links to `partners` that share 100 % at random; a hundredth too little when that is the reason."""
    cuts = [0, *sorted(rng.sample(range(2, 9_999, 2), len(partners) - 1)), 10_000]
    if reason == "allocation_not_100":
        cuts[-1] -= 1
    return tuple(
        AccountLink(partner.account_id, "LINKED", (high - low) * _HUNDREDTH)
        for partner, low, high in zip(partners, cuts, cuts[1:], strict=False)
    )


def position_changes(request_id: UUID, account: Account, size: int, rng: Random) -> tuple[Trade, ...]:
    """The trades that a change of strategy brings with it: sells and buys of `size` different securities."""
    return tuple(
        Trade(
            trade_id=trade_id(request_id, account.account_id, symbol),
            account_id=account.account_id,
            symbol=symbol,
            side=("SELL", "BUY")[place % 2],
            quantity=Decimal(rng.randrange(1, 1_000)),
            price=Decimal(rng.randrange(500, 50_000)) * _HUNDREDTH,
            currency=account.base_currency or "USD",
        )
        for place, symbol in enumerate(f"SYM{n:04d}" for n in rng.sample(range(1, max(50, size) + 1), size))
    )


def _wrong_value(reason: str | None) -> dict[str, str]:
    name = (reason or "").removesuffix("_invalid")
    return {name: _WRONG[name]} if name in _WRONG else {}
