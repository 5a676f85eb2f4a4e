"""Shares of a whole: exact sums, bounds, fairness, the same every time."""

from __future__ import annotations

from decimal import Decimal

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.allocations.apportion import apportion, shares
from streams_app.systems.allocations.model import TICK, Share

WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=60).filter(any)
AMOUNTS = st.integers(1, 10**15).map(lambda ticks: Decimal(ticks).scaleb(-4))


def test_the_largest_remainders_get_what_is_left_and_the_first_of_equal_ones() -> None:
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(5, [50, 30, 20]) == [3, 1, 1]
    assert apportion(7, [10, 0, 4]) == [5, 0, 2]


def test_nothing_is_divided_into_nothing() -> None:
    assert apportion(0, [3, 0]) == [0, 0]
    assert apportion(0, [0, 0]) == [0, 0]
    with pytest.raises(ValueError, match="all weights are 0"):
        apportion(1, [0, 0])
    with pytest.raises(ValueError, match="all weights are 0"):
        apportion(1, [])


@given(st.integers(0, 10**9), WEIGHTS)
def test_a_share_is_less_than_one_off_the_exact_share_and_the_sum_is_exact(total: int, weights: list[int]) -> None:
    found, whole = apportion(total, weights), sum(weights)
    assert sum(found) == total
    for share, weight in zip(found, weights, strict=True):
        assert abs(share * whole - total * weight) < whole


@given(WEIGHTS, st.data())
def test_nobody_gets_more_than_their_weight_where_all_weights_suffice(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    assert all(share <= weight for share, weight in zip(apportion(total, weights), weights, strict=True))


@given(st.integers(1, 10**9), WEIGHTS)
def test_what_is_taken_back_is_divided_as_what_is_given(total: int, weights: list[int]) -> None:
    assert apportion(-total, weights) == [-share for share in apportion(total, weights)]


@hypothesis.settings(deadline=None)
@given(WEIGHTS, AMOUNTS, st.booleans(), st.data())
def test_money_follows_the_shares_exactly(
    weights: list[int], amount: Decimal, is_reversal: bool, data: st.DataObject
) -> None:
    quantity = data.draw(st.integers(1, sum(weights)))
    sign = -1 if is_reversal else 1
    found = shares(sign * quantity, sign * amount, weights)
    assert found == shares(sign * quantity, sign * amount, weights)
    assert sum(share.quantity for share in found) == sign * quantity
    assert sum(share.amount for share in found) == sign * amount
    for share, weight in zip(found, weights, strict=True):
        assert 0 <= sign * share.quantity <= weight
        assert abs(share.amount * quantity - share.quantity * amount) < TICK * quantity
        assert share.quantity or share == Share(0, Decimal(0))
