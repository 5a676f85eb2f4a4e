"""Prices that any process works out for itself: a random walk by minutes, in whole ticks, anew each day (UTC). Pure.

For some tens of minutes each, moves up are more likely than moves down, or less, or neither: windows see trends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Final

_MINUTES: Final = 24 * 60
#: Ticks that a minute moves at most, and a day's first price is away from the base.
MOST_TICKS: Final = 2
MOST_GAP: Final = 100
# The chance of a move up, and how many minutes one of these holds.
_UP: Final = (0.35, 0.5, 0.65)
_SHORTEST, _LONGEST = 30, 90


@dataclass(frozen=True, slots=True)
class Contract:
    """How a symbol is priced: in multiples of `tick`, in the neighbourhood of `base`."""

    tick: Decimal
    base: Decimal


#: Futures as their exchanges quote them. More than a day's moves lie between a base and nothing.
CONTRACTS: Final = {
    symbol: Contract(Decimal(tick), Decimal(base))
    for symbol, tick, base in (
        ("ES", "0.25", "6000"),
        ("NQ", "0.25", "21000"),
        ("YM", "1", "42000"),
        ("RTY", "0.10", "2200"),
        ("CL", "0.01", "75"),
        ("GC", "0.10", "2400"),
        ("SI", "0.005", "30"),
        ("ZB", "0.03125", "118"),
        ("ZN", "0.015625", "110"),
        ("6E", "0.00005", "1.08"),
    )
}
#: Any other symbol.
DEFAULT: Final = Contract(Decimal("0.01"), Decimal(100))


def price(seed: int, symbol: str, time: datetime) -> str:
    """The price of a symbol at a full minute, as decimal text; `time` is in UTC."""
    contract = CONTRACTS.get(symbol, DEFAULT)
    moved = _moved(seed, symbol, time.date().isoformat())[time.hour * 60 + time.minute]
    return f"{contract.base + moved * contract.tick:f}"


# A day of each symbol, also when there are many: prices are asked for in the order of time.
@lru_cache(maxsize=256)
def _moved(seed: int, symbol: str, day: str) -> list[int]:
    """How many ticks each minute of a day is away from the base."""
    rng = Random(f"{seed}:{symbol}:{day}")  # noqa: S311 (repeatable on purpose)
    ticks, minutes, up = int((2 * rng.random() - 1) * MOST_GAP), 0, 0.5
    found = []
    for _ in range(_MINUTES):
        found.append(ticks)
        if not minutes:
            minutes = _SHORTEST + int(rng.random() * (_LONGEST - _SHORTEST))
            up = _UP[int(rng.random() * len(_UP))]
        minutes -= 1
        step = 1 + int(rng.random() * MOST_TICKS)
        ticks += step if rng.random() < up else -step
    return found
