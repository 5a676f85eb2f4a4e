"""What accounts trade: exactly towards their targets, in whole lots, and never more than they hold or can pay."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.allocations.model import Adjustment, Portfolio, Quote, Side
from streams_app.systems.allocations.rebalancing import adjustments

NONE, KEPT, DRIFT = Decimal(0), Decimal("0.02"), Decimal("0.01")


def quote(price: str | int, lot: int = 1) -> Quote:
    open_price = Decimal(price)
    return Quote(lot, open_price, open_price, open_price)


def portfolio(cash: str | int, positions: dict[int, int], targets: dict[int, str]) -> Portfolio:
    return Portfolio(1, 1, Decimal(cash), positions, {key: Decimal(weight) for key, weight in targets.items()})


def trades(
    of: Portfolio, quotes: dict[int, Quote], drift: Decimal = NONE, kept: Decimal = NONE
) -> dict[int, tuple[Side, int]]:
    return {a.security_id: (a.side, a.quantity) for a in adjustments(of, quotes, drift, kept)}


def test_what_is_missing_is_bought_and_what_is_too_much_is_sold() -> None:
    found = trades(portfolio(0, {1: 60, 2: 40}, {1: "0.5", 2: "0.5"}), {1: quote(10), 2: quote(10)})
    assert found == {1: (Side.SELL, 10), 2: (Side.BUY, 10)}


def test_what_is_no_target_is_sold_altogether() -> None:
    assert trades(portfolio(0, {3: 7}, {1: "1"}), {1: quote(7), 3: quote(1)}) == {1: (Side.BUY, 1), 3: (Side.SELL, 7)}


@pytest.mark.parametrize(("drift", "trading"), [("0.0999", True), ("0.1", False), ("0.2", False)])
def test_nothing_is_traded_unless_a_position_is_further_away_than_the_drift(drift: str, trading: bool) -> None:
    of = portfolio(0, {1: 60, 2: 40}, {1: "0.5", 2: "0.5"})
    assert bool(trades(of, {1: quote(10), 2: quote(10)}, Decimal(drift))) is trading


def test_orders_are_whole_lots_rounded_toward_zero() -> None:
    of = portfolio(0, {1: 1199, 2: 801}, {1: "0.5", 2: "0.5"})
    assert trades(of, {1: quote(1, 100), 2: quote(1, 10)}) == {1: (Side.SELL, 100), 2: (Side.BUY, 100)}


def test_buys_that_have_drifted_least_are_cut_so_that_cash_is_kept() -> None:
    # The lot of what is sold leaves 20 of 60 unsold: they are missing for the buys of 45 and 15.
    of = portfolio(0, {1: 110, 2: 5}, {1: "0.434783", 2: "0.434782", 3: "0.130435"})
    found = trades(of, {1: quote(1, 40), 2: quote(1), 3: quote(1)})
    assert found == {1: (Side.SELL, 40), 2: (Side.BUY, 40)}


def test_targets_are_shares_of_what_does_not_stay_cash() -> None:
    found = trades(portfolio(100, {}, {1: "0.5", 2: "0.5"}), {1: quote(1), 2: quote(1)}, kept=Decimal("0.1"))
    assert found == {1: (Side.BUY, 45), 2: (Side.BUY, 45)}


def test_nothing_is_bought_without_cash() -> None:
    assert trades(portfolio(-10, {1: 20}, {2: "1"}), {1: quote(1, 100), 2: quote(1)}) == {}


@pytest.mark.parametrize("cash", [0, -5])
def test_an_account_without_value_trades_nothing(cash: int) -> None:
    assert trades(portfolio(cash, {1: 0}, {1: "1"}), {1: quote(3)}) == {}


def test_a_security_without_a_quote_is_named() -> None:
    with pytest.raises(KeyError, match="2"):
        trades(portfolio(100, {}, {2: "1"}), {1: quote(3)})


PRICES = st.integers(1, 5_000_000).map(lambda ticks: Decimal(ticks) / 10_000)
SECURITIES = st.integers(1, 12)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Portfolio, dict[int, Quote], Decimal, Decimal]:
    quotes = {}
    for key in range(1, 13):
        price, lot = draw(PRICES), draw(st.sampled_from([1, 1, 10, 100]))
        quotes[key] = Quote(lot, price, price, price)
    positions = draw(st.dictionaries(SECURITIES, st.integers(0, 100_000), max_size=8))
    cuts = sorted(draw(st.sets(st.integers(1, 999_999), max_size=7)))
    weights = [Decimal(b - a) / 1_000_000 for a, b in zip([0, *cuts], [*cuts, 1_000_000], strict=True)]
    keys = draw(st.permutations(range(1, 13)))
    cash = Decimal(draw(st.integers(-(10**9), 10**11))) / 10_000
    of = Portfolio(7, 3, cash, positions, dict(zip(keys, weights, strict=False)))
    return of, quotes, draw(st.sampled_from([NONE, DRIFT])), draw(st.sampled_from([NONE, KEPT, Decimal("0.333333")]))


def gap(
    of: Portfolio, held: dict[int, int], quotes: dict[int, Quote], kept: Decimal, key: int, value: Fraction
) -> Fraction:
    wanted = value * (1 - Fraction(kept)) * Fraction(of.targets.get(key, NONE))
    return wanted - held.get(key, 0) * Fraction(quotes[key].open_price)


def after(of: Portfolio, found: list[Adjustment], quotes: dict[int, Quote]) -> tuple[dict[int, int], Fraction]:
    """Positions and cash when everything is traded at open prices."""
    held, cash = dict(of.positions), Fraction(of.cash)
    for each in found:
        sign = 1 if each.side is Side.BUY else -1
        held[each.security_id] = held.get(each.security_id, 0) + sign * each.quantity
        cash -= sign * each.quantity * Fraction(quotes[each.security_id].open_price)
    return held, cash


@given(cases())
def test_every_account_comes_nearer_to_its_targets_within_what_it_has(
    case: tuple[Portfolio, dict[int, Quote], Decimal, Decimal],
) -> None:
    of, quotes, drift, kept = case
    found = adjustments(of, quotes, drift, kept)
    assert found == adjustments(of, dict(reversed(quotes.items())), drift, kept)
    held, cash = after(of, found, quotes)
    value = Fraction(of.cash) + sum(q * Fraction(quotes[key].open_price) for key, q in of.positions.items())

    assert [each.security_id for each in found] == sorted({each.security_id for each in found})
    for each in found:
        assert each.quantity > 0
        assert each.quantity % quotes[each.security_id].lot_size == 0
        assert (each.account_id, each.bucket) == (7, 3)
    assert all(quantity >= 0 for quantity in held.values())
    assert cash + sum(q * Fraction(quotes[key].open_price) for key, q in held.items()) == value
    if any(each.side is Side.BUY for each in found):
        assert cash >= Fraction(kept) * value
    for key in quotes:
        before, now = (gap(of, positions, quotes, kept, key, value) for positions in (of.positions, held))
        assert abs(now) <= abs(before)
        assert now * before >= 0
    if not found:
        return
    assert any(abs(gap(of, of.positions, quotes, kept, key, value)) > Fraction(drift) * value for key in quotes)
