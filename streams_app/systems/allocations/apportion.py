"""Shares of a whole, in whole numbers, by largest remainder: nothing is lost, and nobody is off by one or more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import compress
from typing import Final

from streams_app.systems.allocations.model import TICK, Share

# Decimals of TICK.
_PLACES: Final = -int(TICK.as_tuple().exponent)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """`total` divided by `weights` (0 or more each): each gets its exact share rounded down, or up where the remainder
    is among the largest, the first of equal ones before the others.

    So the sum is `total`, and nobody gets more than their weight where all weights together suffice. A negative total
    is divided as its opposite. Raises ValueError when there is something to divide and no weight.
    """
    whole = sum(weights)
    if total == 0:
        return [0] * len(weights)
    if whole == 0:
        raise ValueError(f"{total} is to be divided, and all weights are 0")
    if total < 0:
        return [-share for share in apportion(-total, weights)]
    divided = [divmod(total * weight, whole) for weight in weights]
    shares = [share for share, _ in divided]
    left = total - sum(shares)
    if left:
        # The sort is stable, also in reverse: equal remainders stay in order.
        order = sorted(range(len(divided)), key=[remainder for _, remainder in divided].__getitem__, reverse=True)
        for index in order[:left]:
            shares[index] += 1
    return shares


def shares(quantity: int, amount: Decimal, weights: Sequence[int]) -> list[Share]:
    """Shares and their money by weights: the shares by largest remainder, the money by the shares that each gets, in
    units of TICK. Both sums are exact.

    Of a REVERSAL both are negative, and the weights are what each has. Raises ValueError as `apportion` does.
    """
    quantities = apportion(quantity, weights)
    # Who gets no shares gets no money: only the others are looked at.
    takers = list(compress(range(len(quantities)), quantities))
    ticks = apportion(int(amount.scaleb(_PLACES)), [abs(quantities[index]) for index in takers])
    found = [_NOTHING] * len(quantities)
    for index, count in zip(takers, ticks, strict=True):
        found[index] = Share(quantities[index], Decimal(count).scaleb(-_PLACES))
    return found


_NOTHING: Final = Share(0, Decimal(0))
