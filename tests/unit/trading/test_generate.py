"""Generated signals: the same of a bar whenever it is asked for, none from the future, none missed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from streams_app.changefeed import Record
from streams_app.systems.trading.generate import sending
from streams_app.systems.trading.generate.sending import (
    Clock,
    SignalRecord,
    send_as_bars_end,
    send_signals,
    signal_record,
)
from streams_app.systems.trading.generate.signals import Market, bars, count, latest, signals
from streams_app.systems.trading.messages import read_signal
from streams_app.systems.trading.model import TIMEFRAMES, Signal

MARKET = Market(7, ("ES", "6E"))
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Sink:
    """Keeps what it gets; sets `stop` when it has so many batches."""

    def __init__(self, stop: asyncio.Event | None = None, batches: int = 1) -> None:
        self.batches: list[list[SignalRecord]] = []
        self.stop = stop or asyncio.Event()
        self._last = batches

    async def send(self, records: Sequence[SignalRecord]) -> int:
        self.batches.append(list(records))
        if len(self.batches) == self._last:
            self.stop.set()
        return len(records)

    @property
    def records(self) -> list[SignalRecord]:
        return [record for batch in self.batches for record in batch]


def read(record: SignalRecord, timestamp: datetime) -> Signal:
    """As the processor reads it, with no tolerance for clocks that differ."""
    consumed = Record(record.topic, 0, 0, record.key, record.value, record.headers, int(timestamp.timestamp() * 1000))
    return read_signal(consumed, MARKET.symbols, 0)


def test_a_bar_ends_at_a_multiple_of_its_timeframe() -> None:
    for timeframe, seconds in TIMEFRAMES.items():
        ends = list(bars(timeframe, NOON + timedelta(seconds=1), NOON + timedelta(hours=1)))
        assert len(ends) == 3600 // seconds
        assert all(end.timestamp() % seconds == 0 for end in ends)
        assert ends[-1] == NOON + timedelta(hours=1)


def test_spans_that_follow_each_other_have_each_bar_once() -> None:
    points = [NOON + timedelta(seconds=37 * step) for step in range(200)]
    whole = list(signals(MARKET, points[0], points[-1]))
    parts = [signal for start, end in pairwise(points) for signal in signals(MARKET, start, end)]
    assert parts == whole
    assert len(whole) == count(MARKET, points[0], points[-1]) == len({signal.signal_id for signal in whole})


def test_signals_come_in_the_order_of_time() -> None:
    times = [signal.time for signal in signals(MARKET, NOON, NOON + timedelta(hours=2))]
    assert times == sorted(times)
    assert {signal.timeframe for signal in signals(MARKET, NOON, NOON + timedelta(hours=2))} == set(TIMEFRAMES)


def test_a_bar_made_twice_is_the_identical_signal_and_another_seed_makes_others() -> None:
    end = NOON + timedelta(hours=1)
    assert list(signals(MARKET, NOON, end)) == list(signals(MARKET, NOON, end))
    alone = list(signals(Market(7, ("6E",), ("5m",)), NOON, end))
    assert alone == [s for s in signals(MARKET, NOON, end) if (s.symbol, s.timeframe) == ("6E", "5m")]
    others = {signal.signal_id for signal in signals(Market(8, MARKET.symbols), NOON, end)}
    assert not others & {signal.signal_id for signal in signals(MARKET, NOON, end)}


def test_all_timeframes_see_the_same_price() -> None:
    quarter = [signal for signal in signals(MARKET, NOON, NOON + timedelta(minutes=15)) if signal.symbol == "ES"]
    assert Counter(signal.time for signal in quarter)[NOON + timedelta(minutes=15)] == 3
    assert len({signal.price for signal in quarter if signal.time == NOON + timedelta(minutes=15)}) == 1


@pytest.mark.parametrize("after", [0, 1, 59, 899])
def test_the_latest_bar_of_each_timeframe_has_just_ended(after: int) -> None:
    now = NOON + timedelta(seconds=after)
    found = list(latest(MARKET, now))
    assert Counter((signal.symbol, signal.timeframe) for signal in found) == Counter(
        (symbol, timeframe) for symbol in MARKET.symbols for timeframe in TIMEFRAMES
    )
    for signal in found:
        assert timedelta(0) <= now - signal.time < timedelta(seconds=TIMEFRAMES[signal.timeframe])


def test_the_processor_reads_what_was_sent() -> None:
    for signal in signals(MARKET, NOON, NOON + timedelta(hours=1)):
        assert read(signal_record(signal), signal.time) == signal


async def test_no_more_are_sent_than_the_rate_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard, sink = SimpleNamespace(now=0.0), [], Sink(batches=10_000)

    def monotonic() -> float:
        clock.now += 0.01
        return float(clock.now)

    def on_sent(new: int) -> None:
        heard.append(new)
        assert sum(heard) <= clock.now * 300 + 1

    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(sending, "_PAUSE", 0)
    sent = await send_signals(signals(MARKET, NOON, NOON + timedelta(hours=1)), sink, 300, sink.stop, on_sent)
    assert sent.counts == {"1m": 120, "5m": 24, "15m": 8}
    assert len(sink.records) == sum(heard) == 152
    assert max(heard) < 152


async def test_it_stops_between_batches_when_it_is_told_to() -> None:
    sink = Sink(batches=2)
    sent = await send_signals(signals(MARKET, NOON, NOON + timedelta(days=20)), sink, 0, sink.stop, lambda _: None)
    assert sent.counts.total() == len(sink.records) == 10_000
    assert sent.per_second > 0


def test_a_fast_clock_catches_up_with_the_real_time_and_never_overtakes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = SimpleNamespace(now=100.0)
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: elapsed.now))
    clock = Clock(60, 590)
    for seconds, behind in ((0, 590), (1, 531), (5, 295), (10, 0), (11, 0), (1000, 0)):
        elapsed.now = 100.0 + seconds
        before = datetime.now(UTC)
        shown = clock.now()
        assert before <= shown + timedelta(seconds=behind) <= datetime.now(UTC)


async def test_each_signal_is_sent_when_its_bar_ends_and_none_is_missed() -> None:
    sink = Sink(batches=12)
    # Twelve batches take at most a quarter of a second each: the clock stays in the past.
    clock = Clock(3000, 100 * 86_400)
    began = clock.now()
    sent = await send_as_bars_end(MARKET, clock, sink, sink.stop)
    ended = clock.now()
    assert ended < datetime.now(UTC) - timedelta(days=1)
    found = [read(record, ended) for record in sink.records]
    assert found == list(signals(MARKET, found[0].time - timedelta(seconds=1), found[-1].time))
    assert began < found[0].time <= began + timedelta(seconds=3000)
    assert sent.counts.total() == len(found) > 12
