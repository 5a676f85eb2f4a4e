"""What an account must trade to be as its model wants it. Pure, and exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final

from streams_app.systems.allocations.model import Adjustment, Portfolio, Quote, Side

# Digits of a value times a weight times a share: nothing is rounded.
_DIGITS: Final = 60


def adjustments(
    portfolio: Portfolio, quotes: Mapping[int, Quote], drift: Decimal, cash_kept: Decimal
) -> list[Adjustment]:
    """The trades of an account at open prices, by security; none when no position has drifted.

    Each security should be `weight * (1 - cash_kept)` of the account's value, one that is no target nothing. When one
    of them is more than `drift` (a share of the value) away from that, all are moved towards it, in whole lots, and
    never past it. Buys are then cut so that cash, when all is traded, is at least `cash_kept` of the value: those that
    have drifted most come first. Raises KeyError, with its id, when a security has no quote.
    """
    with localcontext(prec=_DIGITS):
        gaps, value = _gaps(portfolio, quotes, cash_kept)
        if value <= 0 or max(map(abs, gaps.values()), default=0) <= drift * value:
            return []
        prices = {key: quotes[key].lot_size * quotes[key].open_price for key in gaps}
        # Towards zero, for buys and sells alike.
        lots = {key: int(gap // prices[key]) for key, gap in gaps.items()}
        over = cash_kept * value - portfolio.cash + sum(count * prices[key] for key, count in lots.items() if count)
        if over > 0:
            _cut(lots, gaps, prices, over)
    return [
        Adjustment(
            portfolio.account_id,
            portfolio.bucket,
            key,
            Side.BUY if count > 0 else Side.SELL,
            abs(count) * quotes[key].lot_size,
        )
        for key, count in sorted(lots.items())
        if count
    ]


def _gaps(portfolio: Portfolio, quotes: Mapping[int, Quote], cash_kept: Decimal) -> tuple[dict[int, Decimal], Decimal]:
    """What is missing of each security, negative where there is too much, and the account's value: money."""
    held = {key: quantity * quotes[key].open_price for key, quantity in portfolio.positions.items()}
    value = sum(held.values(), portfolio.cash)
    invested, nothing = value * (1 - cash_kept), Decimal(0)
    gaps = {key: invested * weight - held.pop(key, nothing) for key, weight in portfolio.targets.items()}
    for key, amount in held.items():
        gaps[key] = -amount
    return gaps, value


def _cut(lots: dict[int, int], gaps: Mapping[int, Decimal], prices: Mapping[int, Decimal], over: Decimal) -> None:
    """Take `over` (money), or a little more, away from the buys, from the smallest gaps first."""
    for key in sorted((key for key, count in lots.items() if count > 0), key=lambda key: (gaps[key], key)):
        whole, rest = divmod(over, prices[key])
        fewer = min(lots[key], int(whole) + (rest > 0))
        lots[key] -= fewer
        over -= fewer * prices[key]
        if over <= 0:
            return
