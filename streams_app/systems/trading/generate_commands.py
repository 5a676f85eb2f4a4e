"""`trading generate` and `trading schedule`: signals to try the system with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from math import ceil
from typing import Final, TypeAlias

import click

from streams_app.commands.console import asynchronous, json_option, print_json, progress, say, stop_on_signal
from streams_app.delivery.replays import duration, moment
from streams_app.settings import Settings, load_settings
from streams_app.systems.trading.generate.sending import Clock, RecordSink, Sent, send_as_bars_end, send_signals
from streams_app.systems.trading.generate.signals import Market, count, latest, signals
from streams_app.systems.trading.model import TIMEFRAMES, Signal

SinkFactory: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[RecordSink]]
#: What opens the way to the topics; the composition root sets it.
topic_sink: SinkFactory | None = None

_MOST_BARS: Final = 500_000
_OLDEST: Final = timedelta(days=3650)
_DAY: Final = 86_400.0


class Span(click.ParamType):
    """A span of time on the command line."""

    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """More than nothing."""
        try:
            found = duration(str(value))
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)
        if not found:
            self.fail(f"{value}: expected more than nothing", param, ctx)
        return found


seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Another one makes other prices.")
symbols_option = click.option("--symbols", help="Only these, separated by commas.  [default: trading.symbols]")


@click.command("generate")
@click.option(
    "--timeframe", type=click.Choice([*TIMEFRAMES, "all"]), default="all", show_default=True, help="Of which bars."
)
@click.option("--once", is_flag=True, help="Only the bar of each timeframe that ended last: for cron.")
@click.option("--bars", type=click.IntRange(1, _MOST_BARS), help="How many bars of the shortest timeframe to go back.")
@click.option("--duration", "length", type=Span(), help="Instead: as many as fill so much time at --rate, such as 10m.")
@click.option("--until", help="The time to go back from: ISO 8601, else UTC.  [default: now]")
@click.option("--rate", type=click.FloatRange(0), default=0, show_default=True, help="Signals a second; 0: no limit.")
@click.option(
    "--repeat", "times", type=click.IntRange(1, 1000), default=1, show_default=True, help="Send each so often."
)
@seed_option
@symbols_option
@json_option
@asynchronous
async def generate_command(
    timeframe: str,
    once: bool,
    bars: int | None,
    length: timedelta | None,
    until: str | None,
    rate: float,
    times: int,
    seed: int,
    symbols: str | None,
    as_json: bool,
) -> int | None:
    """Send signals of bars that have ended, in the order of time: --once, --bars, or --duration with --rate.

    A signal is sent when its bar has ended: the same bar and seed make the identical signal, which counts once. The
    processor refuses signals that are far behind those that it has seen (trading.stale_after). Ctrl-C ends it. Exit
    status 130: it was ended so.
    """
    if sum((once, bars is not None, length is not None)) != 1:
        raise click.UsageError("say how many: --once, --bars or --duration, one of them")
    settings = load_settings()
    market = _market(settings, seed, symbols, tuple(TIMEFRAMES) if timeframe == "all" else (timeframe,))
    found, total = _bulk(market, _bars(market, length, rate, times) if length else bars, _end(until))
    assert topic_sink is not None
    async with topic_sink(settings) as sink:
        with progress("signals") as on_progress, stop_on_signal() as stop:
            source = chain.from_iterable(repeat(signal, times) for signal in found)
            sent = await send_signals(source, sink, rate, stop, lambda new: on_progress(new, total * times))
    _report(sent, seed, as_json)
    return None if sent.counts.total() == total * times else 130


@click.command("schedule")
@click.option(
    "--speed",
    type=click.FloatRange(1, 10_000),
    default=1,
    show_default=True,
    help="How fast its clock runs: with 60 a minute takes a second.",
)
@click.option("--duration", "length", type=Span(), help="How long, in real time, such as 10m.  [default: for ever]")
@seed_option
@symbols_option
@json_option
@asynchronous
async def schedule_command(
    speed: float, length: timedelta | None, seed: int, symbols: str | None, as_json: bool
) -> None:
    """Send the signals of all timeframes, each when its bar ends; Ctrl-C ends it.

    A clock that runs faster than the real time begins in the past, so far that it has caught up at the end of
    --duration, else a day; from then on it goes as the real time does: no signal comes from the future.
    """
    settings = load_settings()
    market = _market(settings, seed, symbols, tuple(TIMEFRAMES))
    behind = 0.0 if speed == 1 else _DAY if length is None else (speed - 1) * length.total_seconds()
    if behind > 365 * _DAY:
        raise click.UsageError("--speed and --duration: the clock would begin more than a year in the past")
    assert topic_sink is not None
    async with topic_sink(settings) as sink:
        with stop_on_signal() as stop:
            if length is not None:
                asyncio.get_running_loop().call_later(length.total_seconds(), stop.set)
            clock = Clock(speed, behind)
            if not as_json:
                say(f"signals from {clock.now().isoformat(timespec='seconds')} on; Ctrl-C ends it")
            sent = await send_as_bars_end(market, clock, sink, stop)
    _report(sent, seed, as_json)


def _market(settings: Settings, seed: int, symbols: str | None, timeframes: tuple[str, ...]) -> Market:
    traded = settings.trading.symbols
    chosen = traded if symbols is None else tuple(symbol.strip() for symbol in symbols.split(","))
    unknown = [symbol for symbol in chosen if symbol not in traded]
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: expected some of {', '.join(traded)} (trading.symbols)", param_hint="--symbols"
        )
    return Market(seed, chosen, timeframes)


def _end(until: str | None) -> datetime:
    """When the last bar may end."""
    now = datetime.now(UTC)
    try:
        end = now if until is None else moment(until)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from None
    if not now - _OLDEST <= end <= now:
        raise click.BadParameter(f"{until}: expected a time in the past, of the last ten years", param_hint="--until")
    return end


def _bars(market: Market, length: timedelta, rate: float, times: int) -> int:
    """How many bars of the shortest timeframe give as many signals as `rate` sends in that time."""
    if not rate:
        raise click.UsageError("--duration has no meaning without --rate")
    shortest = _shortest(market)
    of_one = times * len(market.symbols) * sum(shortest / TIMEFRAMES[name] for name in market.timeframes)
    found = ceil(rate * length.total_seconds() / of_one)
    if found > _MOST_BARS:
        raise click.UsageError(f"--rate and --duration: that is {found:,} bars, at most {_MOST_BARS:,}")
    return found


def _bulk(market: Market, bars: int | None, end: datetime) -> tuple[Iterator[Signal], int]:
    """The signals of so many bars of the shortest timeframe, None: of the last bars; and how many they are."""
    if bars is None:
        return latest(market, end), len(market.timeframes) * len(market.symbols)
    start = end - timedelta(seconds=bars * _shortest(market))
    return signals(market, start, end), count(market, start, end)


def _shortest(market: Market) -> int:
    """Seconds of the shortest bar."""
    return min(TIMEFRAMES[name] for name in market.timeframes)


def _report(sent: Sent, seed: int, as_json: bool) -> None:
    counts = {name: sent.counts[name] for name in TIMEFRAMES if sent.counts[name]}
    total = sent.counts.total()
    if as_json:
        print_json({"seed": seed, "signals": total, "timeframes": counts, "seconds": sent.seconds})
        return
    words = ", ".join(f"{name} {number:,}" for name, number in counts.items())
    say(
        f"{total:,} signals in {sent.seconds:.1f} s ({sent.per_second:,.0f}/s)"
        f"{f': {words}' if words else ''}; seed {seed}"
    )


COMMANDS: list[click.Command] = [generate_command, schedule_command]
