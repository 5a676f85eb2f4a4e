"""Prices of snapshots. They are for people and checks: amounts are added up exactly, never made of a rounded price."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from streams_app.systems.allocations.model import TICK


def average_price(amount: Decimal, quantity: int) -> Decimal:
    """Money by share, with four decimals, halves to even. Both may be negative, as of a REVERSAL."""
    return (amount / quantity).quantize(TICK, ROUND_HALF_EVEN)


def is_fair(price: Decimal, market_price: Decimal, band: Decimal) -> bool:
    """Whether a price is within the band around the market's price, the day's open; `band` is a share of it.

    The edges of the band are within it.
    """
    return abs(price - market_price) <= band * market_price


def fair_price(market_price: Decimal, amount: Decimal, quantity: int, band: Decimal) -> Decimal:
    """What a share of a block order should cost: the average of all that its accounts have got, earlier snapshots and
    this one together, but no farther from the market's price than `band` allows; the market's where they have nothing.

    So one snapshot that was executed dearly is seen beside its fair price, and prices that are all beyond the band do
    not become fair by being many.
    """
    if quantity == 0:
        return market_price
    reach = band * market_price
    average = min(max(amount / quantity, market_price - reach), market_price + reach)
    return average.quantize(TICK, ROUND_HALF_EVEN)
