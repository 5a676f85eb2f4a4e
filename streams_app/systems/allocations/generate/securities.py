"""Securities and their daily prices, made up: the same seed makes the same ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from streams_app.systems.allocations.model import Security

SECTORS: Final = (
    "Communication Services", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials", "Health Care",
    "Industrials", "Information Technology", "Materials", "Real Estate", "Utilities",
)  # fmt: skip
_CONSONANTS, _VOWELS = "BCDFGHJKLMNPRSTVWXZ", "AEIOU"
_FIRST = ("Alder", "Beacon", "Cedar", "Delta", "Ember", "Falcon", "Granite", "Harbor", "Iron", "Juniper", "Lumen")
_SECOND = ("Works", "Holdings", "Systems", "Partners", "Industries", "Group", "Laboratories")
# Of a hundred securities, this many trade in each lot.
_LOTS, _LOT_SHARES = (1, 10, 100), (90, 7, 3)

# Of a year's volatility; prices move by business days.
_DAYS_A_YEAR: Final = 252
_MARKET_VOLATILITY: Final = 0.15
_LEAST_CENTS: Final = 100


@dataclass(frozen=True, slots=True)
class DailyPrice:
    """Prices of a security on a trading day, in cents."""

    trading_day: date
    security_id: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def securities(count: int, seed: int) -> list[Security]:
    """`count` securities with ids from 1; a smaller count makes the first ones of a greater."""
    rng, symbols, found = Random(f"{seed}:securities"), set[str](), []  # noqa: S311 (repeatable on purpose)
    for security_id in range(1, count + 1):
        while (symbol := _symbol(rng)) in symbols:
            pass
        symbols.add(symbol)
        sector, [lot_size] = rng.choice(SECTORS), rng.choices(_LOTS, _LOT_SHARES)
        found.append(Security(security_id, symbol, sector, lot_size))
    return found


def company(security: Security) -> str:
    """The name of who issued it."""
    rng = Random(security.symbol)  # noqa: S311
    return f"{rng.choice(_FIRST)} {security.symbol.title()} {rng.choice(_SECOND)}"


def _symbol(rng: Random) -> str:
    return "".join(rng.choice(letters) for letters in (_CONSONANTS, _VOWELS, _CONSONANTS, _CONSONANTS, _VOWELS))


def business_days(until: date, count: int) -> list[date]:
    """The last `count` days from Monday to Friday up to and with `until`."""
    found: list[date] = []
    day = until
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


class _Walk:
    """The price of one security as it goes from day to day: the market's moves, and its own."""

    def __init__(self, security_id: int, seed: int) -> None:
        self.security_id = security_id
        self._rng = rng = Random(f"{seed}:price:{security_id}")  # noqa: S311
        self._beta = rng.uniform(0.5, 1.5)
        self._volatility = rng.uniform(0.12, 0.45) / math.sqrt(_DAYS_A_YEAR)
        self._drift = rng.gauss(0.07, 0.10) / _DAYS_A_YEAR
        self._volume = int(rng.lognormvariate(13.0, 1.2))
        self._price = 100 * rng.lognormvariate(4.2, 0.7)

    def day(self, day: date, market: float) -> DailyPrice:
        """The prices of the next day; a third of its moves happens before the market opens."""
        move = self._drift + self._beta * market + self._rng.gauss(0, self._volatility)
        overnight = 0.3 * move + self._rng.gauss(0, 0.2 * self._volatility)
        open_price, close_price = self._price * math.exp(overnight), self._price * math.exp(move)
        reach = 0.5 * self._volatility
        high = max(open_price, close_price) * math.exp(abs(self._rng.gauss(0, reach)))
        low = min(open_price, close_price) * math.exp(-abs(self._rng.gauss(0, reach)))
        self._price = max(close_price, _LEAST_CENTS)
        volume = int(self._volume * self._rng.lognormvariate(0, 0.3) * (1 + 20 * abs(move)))
        opens, high_cents, low_cents, closes = map(_cents, (open_price, high, low, close_price))
        return DailyPrice(day, self.security_id, opens, high_cents, low_cents, closes, volume)


def _cents(price: float) -> int:
    return max(round(price), _LEAST_CENTS)


def daily_prices(listed: Sequence[Security], days: Sequence[date], seed: int) -> Iterator[list[DailyPrice]]:
    """The prices of all securities, a list for each day. High and low enclose open and close."""
    rng = Random(f"{seed}:market")  # noqa: S311
    walks = [_Walk(security.security_id, seed) for security in listed]
    for day in days:
        market = rng.gauss(0, _MARKET_VOLATILITY / math.sqrt(_DAYS_A_YEAR))
        yield [walk.day(day, market) for walk in walks]
