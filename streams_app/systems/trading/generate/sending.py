"""Signals on their way to their topics: as fast as they go, at a rate, or when their bars end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol

from streams_app.systems.trading.generate.signals import Market, signals
from streams_app.systems.trading.messages import SIGNAL_TOPIC, write_signal
from streams_app.systems.trading.model import Signal

_AT_ONCE: Final = 5000
# Seconds between looks whether a signal is due.
_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """What a producer sends."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()


class RecordSink(Protocol):
    """Where records go."""

    async def send(self, records: Sequence[SignalRecord]) -> int:
        """Store records, those of a key in order; returns how many. Raises StartError when one is refused."""
        ...


@dataclass(slots=True)
class Sent:
    """How many signals of each timeframe were sent, in how many seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Signals a second."""
        return self.counts.total() / self.seconds if self.seconds else 0.0


def signal_record(signal: Signal) -> SignalRecord:
    """The message of a signal: all of a symbol and timeframe are on one partition."""
    return SignalRecord(SIGNAL_TOPIC + signal.timeframe, signal.symbol.encode(), write_signal(signal))


async def send_signals(
    source: Iterable[Signal], sink: RecordSink, rate: float, stop: asyncio.Event, on_sent: Callable[[int], None]
) -> Sent:
    """Send signals in their order, no more than `rate` a second (0: no limit), until they end or `stop` is set.

    `on_sent` hears how many were sent just now. Raises what the sink raises.
    """
    sent, waiting, began = Sent(), iter(source), time.monotonic()
    while not stop.is_set():
        due = int((time.monotonic() - began) * rate) + 1 - sent.counts.total() if rate else _AT_ONCE
        if due <= 0:
            await _pause(stop, _PAUSE)
            continue
        batch = list(islice(waiting, min(due, _AT_ONCE)))
        if not batch:
            break
        await _send(batch, sink, sent, began)
        on_sent(len(batch))
    return sent


class Clock:
    """A clock that begins `behind` seconds in the past and runs `speed` times as fast as the real time, until it has
    caught up with that; from then on both are one."""

    def __init__(self, speed: float, behind: float) -> None:
        self._speed = speed
        self._behind = behind
        self._began = time.monotonic()

    def now(self) -> datetime:
        """What it shows, in UTC: never more than the real time."""
        gained = (self._speed - 1) * (time.monotonic() - self._began)
        return datetime.now(UTC) - timedelta(seconds=max(0.0, self._behind - gained))


async def send_as_bars_end(market: Market, clock: Clock, sink: RecordSink, stop: asyncio.Event) -> Sent:
    """Send each signal when its bar ends by the clock, until `stop` is set. Raises what the sink raises."""
    sent, reached, began = Sent(), clock.now(), time.monotonic()
    while not stop.is_set():
        now = clock.now()
        batch = list(signals(market, reached, now))
        if batch:
            await _send(batch, sink, sent, began)
        # A real time that was set back does not make them come again.
        reached = max(reached, now)
        await _pause(stop, _PAUSE)
    return sent


async def _send(batch: Sequence[Signal], sink: RecordSink, sent: Sent, began: float) -> None:
    await sink.send([signal_record(signal) for signal in batch])
    sent.counts.update(signal.timeframe for signal in batch)
    sent.seconds = time.monotonic() - began


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
