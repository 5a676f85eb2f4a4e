"""Every reason to refuse a request, and that nothing else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.requests.checks import decimal, refusal
from streams_app.systems.requests.model import Context, RequestType

from .contexts import DETAILS, account, context, linked

OPEN, PROFILE = RequestType.ACCOUNT_ONBOARDING, RequestType.ACCOUNT_PROFILE_UPDATE
PERMISSION, CLOSE = RequestType.ACCOUNT_PERMISSION_CHANGE, RequestType.ACCOUNT_CLOSE
REBALANCE = RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT


@pytest.mark.parametrize("type_", RequestType)
def test_the_usual_request_is_valid(type_: RequestType) -> None:
    assert refusal(context(type_)) is None


@pytest.mark.parametrize("type_", RequestType)
def test_an_account_that_is_not_there_or_closed(type_: RequestType) -> None:
    assert refusal(context(type_, accounts=())) == "account_unknown"
    assert refusal(context(type_, accounts=(account(status="CLOSED"),))) == "account_closed"


@pytest.mark.parametrize("type_", RequestType)
@pytest.mark.parametrize("details", [[], ["changes"], "changes", 5, True])
def test_details_that_are_no_object(type_: RequestType, details: Any) -> None:
    assert refusal(context(type_, details)) == "details_invalid"


@pytest.mark.parametrize("type_", sorted(set(RequestType) - {OPEN}))
def test_only_an_onboarding_is_about_a_pending_account(type_: RequestType) -> None:
    assert refusal(context(type_, accounts=(account(status="PENDING"),))) == "account_not_open"
    assert refusal(context(OPEN, accounts=(account(),))) == "account_already_open"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"strategy": "Reckless"}, "strategy_invalid"),
        ({"base_currency": "XXX"}, "base_currency_invalid"),
        ({"risk_profile": "EXTREME"}, "risk_profile_invalid"),
        ({"risk_profile": 3}, "risk_profile_invalid"),
        ({"mailing_preference": "PIGEON"}, "mailing_preference_invalid"),
        ({"contact_email": "nobody"}, "contact_email_invalid"),
        ({"contact_email": f"{'a' * 250}@example.com"}, "contact_email_invalid"),
        ({"contact_email": "new@example.com", "mailing_preference": "PAPER"}, None),
    ],
)
def test_details_of_a_new_account(changed: dict[str, Any], reason: str | None) -> None:
    assert refusal(context(OPEN, DETAILS[OPEN] | changed)) == reason


@pytest.mark.parametrize("name", ["strategy", "base_currency", "risk_profile"])
def test_a_new_account_needs_its_details(name: str) -> None:
    details = {key: value for key, value in DETAILS[OPEN].items() if key != name}
    assert refusal(context(OPEN, details)) == "details_missing"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({}, "nothing_to_change"),
        ({"changes": {}}, "nothing_to_change"),
        ({"changes": "all"}, "nothing_to_change"),
        ({"changes": {"strategy": "Income"}}, "nothing_to_change"),
        ({"changes": {"base_currency": "EUR"}}, "currency_is_fixed"),
        ({"changes": {"shoe_size": "44"}}, "field_unknown"),
        ({"changes": {"account_status": "CLOSED"}}, "field_unknown"),
        ({"changes": {"strategy": "Reckless"}}, "strategy_invalid"),
        ({"changes": {"strategy": None}}, "strategy_invalid"),
        ({"changes": {"strategy": ["Growth"]}}, "strategy_invalid"),
        ({"changes": {"strategy": "Income", "risk_profile": "HIGH"}}, None),
    ],
)
def test_changes_of_a_profile(details: dict[str, Any], reason: str | None) -> None:
    assert refusal(context(PROFILE, details)) == reason


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({}, "permission_unknown"),
        ({"grant": "API"}, "permission_unknown"),
        ({"grant": [1]}, "permission_unknown"),
        ({"grant": ["FLY"]}, "permission_unknown"),
        ({"grant": ["API"], "revoke": ["API"]}, "permission_conflict"),
        ({"grant": ["TRADE"]}, "permission_already_held"),
        ({"revoke": ["API"]}, "permission_not_held"),
        ({"grant": ["OPTIONS"]}, "permission_needs_another"),
        ({"grant": ["MARGIN"], "revoke": ["TRADE"]}, "permission_needs_another"),
        ({"grant": ["MARGIN", "OPTIONS"], "revoke": ["VIEW"]}, None),
    ],
)
def test_permissions(details: dict[str, Any], reason: str | None) -> None:
    assert refusal(context(PERMISSION, details)) == reason


def test_an_account_in_use_does_not_close() -> None:
    assert refusal(context(CLOSE, other_open_requests=1, open_positions=1)) == "open_requests"
    assert refusal(context(CLOSE, open_positions=1)) == "open_positions"


@pytest.mark.parametrize(
    "changed",
    [
        {"side": "HOLD"},
        {"symbol": ""},
        {"symbol": "SYM 1"},
        {"symbol": "S" * 17},
        {"symbol": None},
        {"quantity": "0"},
        {"quantity": "-5"},
        {"quantity": "NaN"},
        {"quantity": "much"},
        {"quantity": 1.5},
        {"quantity": True},
        {"quantity": "0.00001"},
        {"quantity": "1e13"},
        {"price": "Infinity"},
        {"price": None},
    ],
)
def test_an_instruction_is_exact(changed: dict[str, Any]) -> None:
    assert refusal(context(REBALANCE, DETAILS[REBALANCE] | changed)) == "instruction_invalid"


@pytest.mark.parametrize(
    "shares", [(), ("99.99",), ("60", "40.01"), ("100", "0"), ("150", "-50"), ("100", None), (None, None)]
)
def test_shares_are_positive_and_make_100(shares: tuple[str | None, ...]) -> None:
    assert refusal(context(REBALANCE, links=linked(*shares))) == "allocation_not_100"


def test_linked_accounts_are_open_and_of_one_currency() -> None:
    def with_second(**values: Any) -> Context:
        return context(REBALANCE, accounts=(account(), account(1), account(2, **values)))

    assert refusal(context(REBALANCE, accounts=(account(), account(1)))) == "linked_account_unknown"
    assert refusal(with_second(status="CLOSED")) == "linked_account_not_open"
    assert refusal(with_second(base_currency="EUR")) == "currency_mismatch"
    assert refusal(context(REBALANCE, DETAILS[REBALANCE] | {"currency": "EUR"})) == "currency_mismatch"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(RequestType),
    st.sampled_from(["changes", "grant", "revoke", "quantity", "price", "symbol", "side", "strategy", "contact_email"]),
)
def test_whatever_the_details_hold_a_check_answers(value: Any, type_: RequestType, name: str) -> None:
    assert isinstance(refusal(context(type_, DETAILS[type_] | {name: value})), str | None)


@given(st.text() | st.integers() | st.decimals().map(str))
def test_a_decimal_is_exact_or_nothing(value: str | int) -> None:
    number = decimal(value)
    assert number is None or (0 < number < 10**12 and number == round(number, 4))
