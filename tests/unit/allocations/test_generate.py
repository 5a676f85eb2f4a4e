"""What is made up is the same again, fits together, and looks like a market and its accounts."""

from __future__ import annotations

import statistics
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from streams_app.systems.allocations.generate.accounts import SEGMENTS, WHOLE, Accounts, Holder, Scale, models
from streams_app.systems.allocations.generate.securities import (
    SECTORS,
    business_days,
    company,
    daily_prices,
    securities,
)

FRIDAY = date(2026, 11, 20)
DAYS = business_days(FRIDAY, 60)
LISTED = securities(100, 1)


def test_securities_are_the_same_again_and_the_first_of_more() -> None:
    assert securities(300, 1)[:100] == LISTED != securities(100, 2)
    assert len({security.symbol for security in securities(5000, 1)}) == 5000
    assert {security.sector for security in LISTED} == set(SECTORS)
    assert len(SECTORS) == 11
    lots = [security.lot_size for security in securities(1000, 1)]
    assert lots.count(1) > 850
    assert set(lots) == {1, 10, 100}
    assert company(LISTED[0]) == company(securities(1, 1)[0])


def test_business_days_leave_out_weekends() -> None:
    assert business_days(date(2026, 11, 22), 6) == [date(2026, 11, day) for day in (13, 16, 17, 18, 19, 20)]


def test_prices_are_the_same_again_and_enclose_open_and_close() -> None:
    made = list(daily_prices(LISTED, DAYS, 1))
    assert made == list(daily_prices(LISTED, DAYS, 1)) != list(daily_prices(LISTED, DAYS, 2))
    assert [day[0].trading_day for day in made] == DAYS
    for price in (price for day in made for price in day):
        assert 0 < price.low <= min(price.open, price.close) <= max(price.open, price.close) <= price.high
        assert price.volume >= 0


def test_prices_move_by_about_a_percent_a_day_and_open_with_gaps() -> None:
    made = list(daily_prices(LISTED, business_days(FRIDAY, 250), 1))
    series = list(zip(*made, strict=True))
    moves = [later.close / earlier.close - 1 for of in series for earlier, later in pairwise(of)]
    assert 0.01 < statistics.stdev(moves) < 0.03
    assert abs(statistics.mean(moves)) < 0.003
    gaps = [later.open != earlier.close for of in series for earlier, later in pairwise(of)]
    assert sum(gaps) > 0.9 * len(gaps)


@pytest.mark.parametrize("hot", [0.0, 0.3])
def test_the_weights_of_a_model_sum_to_exactly_one(hot: float) -> None:
    scale = Scale(securities=100, positions=30, hot=hot)
    made = models(scale)
    assert [model.model_id for model in made] == list(range(1, 11))
    for model in made:
        assert sum(model.weights.values()) == WHOLE
        assert min(model.weights.values()) > 0
        assert len(model.weights) == 30
        assert set(model.weights) <= set(range(1, 101))
        assert not hot or model.weights[1] == 300_000
    assert len({tuple(model.weights) for model in made}) == 10


def holders(**scale: Any) -> tuple[Scale, list[Holder]]:
    made = Scale(**{"accounts": 2000, "securities": 100, "positions": 20} | scale)
    accounts = Accounts(made, LISTED, CENTS)
    return made, [accounts.account(number) for number in range(1, made.accounts + 1)]


CENTS = {price.security_id: price.close for price in list(daily_prices(LISTED, DAYS, 1))[-1]}


def invested(holder: Holder) -> int:
    return sum(quantity * CENTS[key] for key, quantity in holder.positions)


def test_accounts_are_the_same_again_however_many_are_made() -> None:
    assert holders(accounts=10)[1] == holders()[1][:10] != holders(seed=2, accounts=10)[1]


def test_accounts_have_what_they_need_and_hold_whole_lots() -> None:
    scale, made = holders()
    lots = {security.security_id: security.lot_size for security in LISTED}
    for holder in made:
        assert holder.bucket == holder.account_id % scale.buckets
        assert 1 <= holder.risk <= 5
        assert 1 <= holder.model_id <= scale.models
        assert holder.cash > 0
        assert all(quantity > 0 and quantity % lots[key] == 0 for key, quantity in holder.positions)
    assert {holder.segment for holder in made} == set(SEGMENTS)


def test_a_third_of_the_positions_is_more_than_a_tenth_away_from_the_model() -> None:
    scale, made = holders(seed=1)
    weights = {model.model_id: model.weights for model in models(scale)}
    small = {security.security_id for security in LISTED if security.lot_size == 1}
    away = []
    # Of large ones, where a share more or less means nothing.
    for holder in (holder for holder in made if holder.segment == "institutional"):
        total = invested(holder)
        for key, quantity in holder.positions:
            if key in small:
                away.append(abs(quantity * CENTS[key] * WHOLE / (total * weights[holder.model_id][key]) - 1) > 0.1)
    assert 0.28 < sum(away) / len(away) < 0.38


def test_with_skew_a_few_accounts_hold_most() -> None:
    def of_largest(skew: float) -> float:
        sizes = sorted(map(invested, holders(skew=skew)[1]), reverse=True)
        return sum(sizes[:20]) / sum(sizes)

    assert of_largest(0.0) < 0.25 < 0.5 < of_largest(1.0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"positions": 300}, "positions 300: expected 1 to 200"),
        ({"hot": 1.0}, "hot 1: expected a share"),
        ({"hot": 0.1, "positions": 1}, "2 positions or more"),
    ],
)
def test_a_scale_that_does_not_go_together_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Scale(**wrong)
