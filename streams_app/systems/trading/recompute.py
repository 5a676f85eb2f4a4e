"""Every decision worked out again from the signals, by other means than the processor's: whole histories, no windows.

The processor reads three topics; in which order it met their signals only the decisions say. So the proof is that the
decisions are those of one processor that never failed, met the signals of each topic in their order, and met the topics
in the order in which the decisions stand: each number of each decision follows from that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from uuid import UUID

from streams_app.changefeed import RecordLike, Undecodable
from streams_app.delivery.ports import Rejected
from streams_app.systems.trading.messages import read_signal
from streams_app.systems.trading.model import TIMEFRAMES, Decision, Reading, Side, Signal
from streams_app.systems.trading.rules import MOST_KNOWN, WEIGHTS, Watching, decision_id

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A signal that counts, with its price as a number, and when it came (epoch milliseconds)."""

    signal: Signal
    price: Decimal
    sent: int


class Signals:
    """The signals of the topics, each partition's in order: those that count, by symbol and timeframe."""

    def __init__(self, settings: Watching) -> None:
        self._settings = settings
        self.records = 0
        #: Repetitions of signals that count.
        self.repeated = 0
        #: Places of records that must be dead letters, and why.
        self.refused: dict[Place, str] = {}
        self.accepted: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
        self._newest: dict[tuple[str, str], datetime] = {}
        self._known: dict[tuple[str, str, UUID], tuple[datetime, Decimal]] = {}
        self._recent: dict[tuple[str, str], list[datetime]] = defaultdict(list)

    def take(self, record: RecordLike) -> None:
        """Take the next record of its partition."""
        self.records += 1
        try:
            signal = read_signal(record, self._settings.symbols, self._settings.clock_tolerance)
            self._judge(signal, record.timestamp or 0)
        except (Undecodable, Rejected) as error:
            self.refused[record.topic, record.partition, record.offset] = error.reason

    def _judge(self, signal: Signal, sent: int) -> None:
        history, price = (signal.symbol, signal.timeframe), Decimal(signal.price)
        span = timedelta(seconds=self._settings.stale_after * TIMEFRAMES[signal.timeframe])
        oldest = self._newest.get(history, signal.time) - span
        if signal.time < oldest:
            raise Rejected("stale_signal")
        name = *history, signal.signal_id
        known = self._known.get(name)
        if known is not None and known[0] >= oldest:
            if known != (signal.time, price):
                raise Rejected("id_conflict")
            self.repeated += 1
            return
        newest = max(self._newest.get(history, signal.time), signal.time)
        if len(self._recent[history]) >= MOST_KNOWN:
            self._recent[history] = [time for time in self._recent[history] if time >= newest - span]
            if len(self._recent[history]) >= MOST_KNOWN:
                raise Rejected("too_many_signals")
        self._newest[history] = newest
        self._known[name] = signal.time, price
        self._recent[history].append(signal.time)
        self.accepted[history].append(Accepted(signal, price, sent))


class Expected:
    """The decisions that the signals lead to, one after another as the topic tells which signal was met next."""

    def __init__(self, signals: Signals, size: int) -> None:
        self._signals = signals
        self._size = size
        self._met: dict[tuple[str, str], int] = defaultdict(int)

    def next(self, symbol: str, timeframe: str) -> Decision | None:
        """The decision that follows from the next signal of a symbol and timeframe; None when there is none."""
        number = self._met[symbol, timeframe]
        history = self._signals.accepted.get((symbol, timeframe), [])
        if number >= len(history):
            return None
        self._met[symbol, timeframe] += 1
        signal = history[number].signal
        readings = {name: self._reading(symbol, name) for name in TIMEFRAMES}
        score = sum(WEIGHTS[name] * reading.net for name, reading in readings.items())
        most = sum(WEIGHTS.values()) * (self._size - 1)
        sure = Decimal("0.5") + Decimal(abs(score)) / Decimal(2 * most)
        return Decision(
            decision_id=decision_id(signal),
            sequence=sum(reading.seen for reading in readings.values()),
            signal_id=signal.signal_id,
            symbol=symbol,
            timeframe=timeframe,
            time=signal.time,
            price=signal.price,
            side=(Side.HOLD, Side.BUY, Side.SELL)[(score > 0) - (score < 0)],
            confidence=str(sure.quantize(Decimal("0.0001"), ROUND_HALF_UP)),
            windows=readings,
        )

    def rest(self) -> Iterator[Accepted]:
        """The signals that no decision has followed from."""
        for name, history in self._signals.accepted.items():
            yield from history[self._met[name] :]

    def _reading(self, symbol: str, timeframe: str) -> Reading:
        seen = self._met[symbol, timeframe]
        history = self._signals.accepted.get((symbol, timeframe), [])
        prices = [each.price for each in history[max(0, seen - self._size) : seen]]
        up = sum(after > before for before, after in pairwise(prices))
        return Reading(seen, up - sum(after < before for before, after in pairwise(prices)))
