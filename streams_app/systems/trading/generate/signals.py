"""Signals as bars end: the same of a bar wherever and whenever they are made. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import repeat
from operator import itemgetter

from streams_app.systems.trading.generate.walk import price
from streams_app.systems.trading.model import TIMEFRAMES, Signal, named


@dataclass(frozen=True, slots=True)
class Market:
    """Which signals there are: of these symbols and timeframes, with the prices that follow from `seed`."""

    seed: int
    symbols: tuple[str, ...]
    timeframes: tuple[str, ...] = tuple(TIMEFRAMES)


def bars(timeframe: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The ends of the bars after `start` and up to `end`, in UTC: multiples of the timeframe."""
    seconds = TIMEFRAMES[timeframe]
    return (datetime.fromtimestamp(number * seconds, UTC) for number in _numbers(timeframe, start, end))


def signal(market: Market, symbol: str, timeframe: str, time: datetime) -> Signal:
    """What is said when the bar that ends at `time`, in UTC, has ended."""
    name = named("signal", str(market.seed), symbol, timeframe, time.isoformat())
    return Signal(name, symbol, timeframe, time, price(market.seed, symbol, time))


def signals(market: Market, start: datetime, end: datetime) -> Iterator[Signal]:
    """The signals of all bars that end after `start` and up to `end`, in the order of time."""
    ends = (zip(bars(name, start, end), repeat(name)) for name in market.timeframes)
    return (
        signal(market, symbol, timeframe, time)
        for time, timeframe in merge(*ends, key=itemgetter(0))
        for symbol in market.symbols
    )


def latest(market: Market, now: datetime) -> Iterator[Signal]:
    """The signals of the bar of each timeframe that ended last."""
    for timeframe in market.timeframes:
        for time in bars(timeframe, now - timedelta(seconds=TIMEFRAMES[timeframe]), now):
            for symbol in market.symbols:
                yield signal(market, symbol, timeframe, time)


def count(market: Market, start: datetime, end: datetime) -> int:
    """How many `signals` there are."""
    return sum(len(_numbers(timeframe, start, end)) for timeframe in market.timeframes) * len(market.symbols)


def _numbers(timeframe: str, start: datetime, end: datetime) -> range:
    """The bars, numbered from the epoch."""
    seconds = TIMEFRAMES[timeframe]
    return range(int(start.timestamp() // seconds) + 1, int(end.timestamp() // seconds) + 1)
