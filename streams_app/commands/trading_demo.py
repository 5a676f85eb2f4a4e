"""`trading eos-demo`: identical signals count once, shown step by step."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click
from aiokafka import AIOKafkaProducer, TopicPartition

from streams_app.commands.console import asynchronous, json_option, print_json, say
from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.reading import connected, partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings, load_settings
from streams_app.systems.trading.messages import SIGNAL_TOPIC, write_signal
from streams_app.systems.trading.model import TIMEFRAMES, Signal, named
from streams_app.topics import DECISIONS

# Seconds between looks at how far the processor has come.
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demonstration saw."""

    signal_id: str
    signals: int
    decisions: int

    @property
    def once(self) -> bool:
        """Whether the identical signals counted once."""
        return self.decisions == 1


@click.command("eos-demo")
@click.option(
    "--signals", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="Identical signals."
)
@click.option("--symbol", help="Of this symbol.  [default: the first of trading.symbols]")
@click.option("--timeframe", type=click.Choice(list(TIMEFRAMES)), default="1m", show_default=True)
@click.option("--group", help="Consumer group of the signal processor.  [default: app_id]")
@click.option("--wait", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds to wait for it.")
@json_option
@asynchronous
async def eos_demo_command(
    count: int, symbol: str | None, timeframe: str, group: str | None, wait: float, as_json: bool
) -> int:
    """Send identical signals, wait until the processor is through, and count the decisions that followed.

    A worker with the processor's role must run. Exit status 0: exactly one decision; 1: not so.
    """
    settings = load_settings()
    chosen = symbol or settings.trading.symbols[0]
    if chosen not in settings.trading.symbols:
        raise click.BadParameter(
            f"{chosen}: expected one of {', '.join(settings.trading.symbols)}", param_hint="--symbol"
        )
    tell = (lambda text: None) if as_json else say
    now = datetime.now(UTC)
    signal = Signal(named("demo", secrets.token_hex(16)), chosen, timeframe, now, "4321.25")
    before = await _ends(settings)
    tell(f"1. trading.decisions is read from its end on, {sum(before.values()):,} offsets so far")
    sent = await _send(settings, signal, count)
    tell(f"2. {count} × signal {signal.signal_id} ({chosen} {timeframe}) sent: offsets {_shown(sent)}")
    seconds = await _await_processor(settings, group or settings.app_id, sent, wait)
    tell(f"3. the signal processor is through after {seconds:.2f} s, its offsets are committed behind them")
    decisions = await _decisions(settings, before, signal)
    tell(f"4. a read_committed consumer sees {len(decisions)} decision(s): {', '.join(decisions) or 'none'}")
    result = Shown(str(signal.signal_id), count, len(decisions))
    if as_json:
        print_json(asdict(result) | {"once": result.once})
    else:
        say(f"{count} signals, {result.decisions} decision{'' if result.once else 's'}")
    return 0 if result.once else 1


async def _ends(settings: Settings) -> Mapping[TopicPartition, int]:
    counts = await partition_counts(settings.broker_url, [DECISIONS.name])
    async with reader(settings.broker_url) as consumer:
        return {place: high for place, (_, high) in (await whole_topics(consumer, counts)).items()}


async def _send(settings: Settings, signal: Signal, count: int) -> list[tuple[TopicPartition, int]]:
    """Where the signals are: partition and offset of each."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), enable_idempotence=True, acks="all"
    )
    await connected(producer)
    try:
        topic, value = SIGNAL_TOPIC + signal.timeframe, write_signal(signal)
        placed = [await producer.send_and_wait(topic, value, signal.symbol.encode()) for _ in range(count)]
        return [(TopicPartition(each.topic, each.partition), each.offset) for each in placed]
    finally:
        await producer.stop()


async def _await_processor(
    settings: Settings, group: str, sent: list[tuple[TopicPartition, int]], wait: float
) -> float:
    """Seconds until the group has committed past the signals. Raises StartError after `wait` seconds."""
    place, last = sent[-1]
    began = time.monotonic()
    async with reader(settings.broker_url, group_id=group) as consumer:
        while (await consumer.committed(place) or 0) <= last:
            if time.monotonic() - began > wait:
                raise StartError(
                    f"group {group} has not come past {place.topic} {place.partition} offset {last} in {wait:g} s: "
                    "start a worker with the processor's role (`faust -A streams_app worker`), or name its --group"
                )
            await asyncio.sleep(_PAUSE)
    return time.monotonic() - began


async def _decisions(settings: Settings, since: Mapping[TopicPartition, int], signal: Signal) -> list[str]:
    """The decisions that the signal led to: side and confidence of each."""
    async with reader(settings.broker_url) as consumer:
        ends = await consumer.end_offsets(list(since))
        stretches = {place: (start, ends[place]) for place, start in since.items()}
        return [
            f"{record.topic}-{record.partition}@{record.offset}"
            async for record in records_between(consumer, stretches)
            if str(signal.signal_id).encode() in (record.value or b"")
        ]


def _shown(sent: list[tuple[TopicPartition, int]]) -> str:
    (place, first), (_, last) = sent[0], sent[-1]
    return f"{first} to {last} of {place.topic} partition {place.partition}"
