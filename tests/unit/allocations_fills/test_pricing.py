"""Prices of snapshots: rounded for people, judged by the market's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from streams_app.systems.allocations.pricing import average_price, fair_price, is_fair

BAND = Decimal("0.05")
OPEN = Decimal(100)


@pytest.mark.parametrize(
    ("amount", "quantity", "expected"),
    [
        ("30.00", 3, "10.0000"),
        ("10.00", 3, "3.3333"),
        ("0.0001", 2, "0.0000"),  # halves go to even
        ("0.0003", 2, "0.0002"),
        ("-10.00", -3, "3.3333"),
    ],
)
def test_the_average_has_four_decimals_halves_to_even(amount: str, quantity: int, expected: str) -> None:
    assert str(average_price(Decimal(amount), quantity)) == expected


@pytest.mark.parametrize(
    ("price", "fair"), [("95", True), ("94.9999", False), ("105", True), ("105.0001", False), ("100", True)]
)
def test_a_price_is_fair_up_to_the_edges_of_the_band(price: str, fair: bool) -> None:
    assert is_fair(Decimal(price), OPEN, BAND) is fair


def test_the_fair_price_is_the_average_of_all_executions_within_the_band() -> None:
    assert fair_price(OPEN, Decimal(300), 3, BAND) == Decimal(100)
    assert fair_price(OPEN, Decimal("304.00"), 3, BAND) == Decimal("101.3333")
    assert fair_price(OPEN, Decimal(360), 3, BAND) == Decimal(105)
    assert fair_price(OPEN, Decimal(240), 3, BAND) == Decimal(95)


def test_without_executions_the_market_says_what_is_fair() -> None:
    assert fair_price(OPEN, Decimal(0), 0, BAND) == OPEN
