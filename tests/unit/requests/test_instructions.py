"""Trades of a rebalance: balanced to the last ten-thousandth, and the same however often they are computed."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.requests.instructions import rebalance_trades, shares
from streams_app.systems.requests.model import AccountLink, RequestType

from .contexts import account, context, linked

REBALANCE = RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT
STEP = Decimal("0.0001")

quantities = st.integers(1, 10**16 - 1).map(lambda steps: steps * STEP)
splits = st.lists(st.integers(1, 9_999), max_size=12, unique=True).map(
    lambda cuts: [
        Decimal(high - low) / 100 for low, high in zip([0, *sorted(cuts)], [*sorted(cuts), 10_000], strict=True)
    ]
)


@given(quantities, splits)
def test_shares_are_exact_and_never_negative(quantity: Decimal, split: list[Decimal]) -> None:
    links = [AccountLink(UUID(int=number), "LINKED", share) for number, share in enumerate(split)]
    parts = shares(quantity, links)
    assert sum(parts) == quantity
    assert all(part >= 0 and part == part.quantize(STEP) for part in parts)
    assert all(abs(part - quantity * share / 100) < STEP for part, share in zip(parts, split, strict=True))


@given(quantities, splits.filter(lambda split: len(split) < 10), st.sampled_from(["BUY", "SELL"]))
def test_both_sides_are_equal(quantity: Decimal, split: list[Decimal], side: str) -> None:
    others = tuple(account(number) for number in range(1, len(split) + 1))
    trades = rebalance_trades(
        context(
            REBALANCE,
            {"symbol": "SYM1", "side": side, "quantity": str(quantity), "price": "2"},
            accounts=(account(), *others),
            links=linked(*map(str, split)),
        )
    )
    sums = {name: sum(t.quantity for t in trades if t.side == name) for name in ("BUY", "SELL")}
    assert sums == {"BUY": quantity, "SELL": quantity}
    assert all(trade.quantity > 0 for trade in trades)
    assert [t.side for t in trades if t.account_id == account().account_id] == [side]


def test_the_order_of_the_links_does_not_matter() -> None:
    split = ("33.33", "33.33", "33.34")
    accounts = tuple(account(number) for number in range(4))
    details = {"symbol": "SYM1", "side": "BUY", "quantity": "0.0002", "price": "2"}
    forward = rebalance_trades(context(REBALANCE, details, accounts=accounts, links=linked(*split)))
    backward = rebalance_trades(context(REBALANCE, details, accounts=accounts, links=linked(*split)[::-1]))
    assert forward == backward
    assert len({trade.trade_id for trade in forward}) == len(forward)


def test_a_share_that_rounds_to_nothing_makes_no_trade() -> None:
    details = {"symbol": "SYM1", "side": "BUY", "quantity": "0.0001", "price": "2"}
    trades = rebalance_trades(context(REBALANCE, details, links=linked("99", "1")))
    assert [trade.quantity for trade in trades] == [STEP, STEP]
