"""`trading tail`: what comes on the topics of trading, as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import click
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams_app.commands.console import asynchronous, say, stop_on_signal
from streams_app.delivery.letters import shown
from streams_app.kafka.reading import partition_counts, reader, whole_topics
from streams_app.settings import load_settings
from streams_app.systems.trading.model import TIMEFRAMES
from streams_app.topics import DECISIONS, ORDERS, SIGNAL_TOPICS

_TOPICS = {
    "signals": [topic.name for topic in SIGNAL_TOPICS],
    "decisions": [DECISIONS.name],
    "orders": [ORDERS.name],
}


@click.command("tail")
@click.argument("what", type=click.Choice(list(_TOPICS)))
@click.option("--timeframe", type=click.Choice(list(TIMEFRAMES)), help="Signals of this timeframe only.")
@click.option("-n", "last", type=click.IntRange(0), default=10, show_default=True, help="Last records of a partition.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on as records come.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a line.")
@asynchronous
async def tail_command(what: str, timeframe: str | None, last: int, follow: bool, as_json: bool) -> None:
    """Show the last records of signals, decisions or orders, and those that come; committed ones. Ctrl-C ends it."""
    if timeframe is not None and what != "signals":
        raise click.UsageError("--timeframe is for signals")
    topics = _TOPICS[what] if timeframe is None else [f"trading.signal.{timeframe}"]
    settings = load_settings()
    counts = await partition_counts(settings.broker_url, topics)
    async with reader(settings.broker_url) as consumer:
        bounds = await whole_topics(consumer, counts)
        consumer.assign(list(bounds))
        for place, (low, high) in bounds.items():
            # As many records at least: every other offset may be the marker of a transaction.
            consumer.seek(place, max(low, high - 2 * last))
        for record in await _rest(consumer, {place: high for place, (_, high) in bounds.items()}, last):
            say(_line(record, as_json))
        with stop_on_signal() as stop:
            while follow and not stop.is_set():
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        say(_line(record, as_json))


async def _rest(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], last: int) -> list[Any]:
    """The last records of each partition up to its end, in the order of their time."""
    found: dict[TopicPartition, deque[Any]] = {place: deque(maxlen=last) for place in ends}
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        for place, records in (await consumer.getmany(timeout_ms=200)).items():
            found[place].extend(records)
    return sorted(chain.from_iterable(found.values()), key=lambda record: record.timestamp)


def _line(record: Any, as_json: bool) -> str:
    headers = {name: None if value is None else value.decode("utf-8", "replace") for name, value in record.headers}
    when = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    if not as_json:
        words = [f"{when:%H:%M:%S.%f}"[:-3], f"{record.topic}-{record.partition}@{record.offset}"]
        words += [shown(record.key), shown(record.value), *_pairs(headers)]
        return " ".join(words)
    fields = {name: getattr(record, name) for name in ("topic", "partition", "offset")}
    return orjson.dumps(
        fields | {"time": when, "key": shown(record.key), "value": shown(record.value), "headers": headers}
    ).decode()


def _pairs(headers: dict[str, str | None]) -> Sequence[str]:
    return [f"{name}={value}" for name, value in headers.items()]
