"""`trading check-duplicates` and `trading eos-verify`: what is there twice, and the way from signals to executions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import click
import orjson
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, say
from streams_app.commands.trading_reading import TradingTopics
from streams_app.commands.verify import print_report
from streams_app.commands.whole_topics import records_of
from streams_app.errors import StartError
from streams_app.kafka.partition_state import recover
from streams_app.kafka.reading import partition_counts, reader, whole_topics
from streams_app.kafka.transaction_log import TransactionLog, transaction_logs
from streams_app.settings import Settings, load_settings
from streams_app.systems.trading.exchange import HttpExchange, UnknownOutcomeError
from streams_app.systems.trading.order_events import read_order_event
from streams_app.systems.trading.verify import verify
from streams_app.topics import DECISIONS, ORDERS, SIGNAL_TOPICS, signals_changelog

# Of each topic: what tells its records apart.
_IDENTITIES = {topic.name: "signal_id" for topic in SIGNAL_TOPICS} | {DECISIONS.name: "decision_id"}
group_option = click.option("--group", help="Consumer group of the signal processor.  [default: app_id]")


@click.command("check-duplicates")
@json_option
@asynchronous
async def check_duplicates_command(as_json: bool) -> int:
    """Count what is on the topics of signals, decisions and orders more than once.

    Signals may be: identical ones count once. Exit status 1: a decision or an order is there twice.
    """
    settings = load_settings()
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*_IDENTITIES, ORDERS.name)}
    async for record in records_of(settings, (*SIGNAL_TOPICS, DECISIONS)):
        counts[record.topic][_identity(record.value, _IDENTITIES[record.topic])] += 1
    async for record in records_of(settings, [ORDERS]):
        event = read_order_event(record)
        counts[record.topic][str(event.event_id) if event else f"offset {record.partition} {record.offset}"] += 1
    rows = [(name, found.total(), len(found), found.total() - len(found)) for name, found in counts.items()]
    twice = sum(row[3] for row in rows if row[0] in (DECISIONS.name, ORDERS.name))
    columns = ("topic", "records", "distinct", "duplicates")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_rows("Duplicates", columns, [(name, *(f"{n:,}" for n in numbers)) for name, *numbers in rows])
        say(f"{twice} duplicates among decisions and orders")
    return 1 if twice else 0


def _identity(value: bytes | None, name: str) -> str:
    try:
        return str(orjson.loads(value or b"")[name])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the processor is in one partition of signals: by its group, and by its changelog, which decides."""

    topic: str
    partition: int
    end: int
    committed: int
    position: int


@click.command("eos-verify")
@group_option
@click.option("--exchange/--no-exchange", default=True, show_default=True, help="Also ask the exchange for its orders.")
@click.option(
    "--grace", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds of delay that are fine."
)
@click.option(
    "--samples", type=click.IntRange(1, 1000), default=3, show_default=True, help="Offenders to name a check."
)
@json_option
@asynchronous
async def eos_verify_command(group: str | None, exchange: bool, grace: float, samples: int, as_json: bool) -> int:
    """Follow everything from the signals to the exchange: transactions, offsets, counts, and the proof.

    Every decision is worked out again from the signals. Exit status 1: something is lost, doubled or wrong.
    """
    settings = load_settings()
    name = group or settings.app_id
    try:
        async with AsyncExitStack() as stack:
            logs = await transaction_logs(settings.broker_url, [DECISIONS.name, signals_changelog(name).name])
            progress = await _progress(settings, name)
            asked = await stack.enter_async_context(HttpExchange(settings.trading)) if exchange else None
            report = await verify(
                settings, grace=grace, samples=samples, topics=TradingTopics(settings), exchange=asked
            )
    except UnknownOutcomeError as error:
        raise StartError(f"the exchange does not answer: {error}; leave it out with --no-exchange") from None
    except KafkaError as error:
        raise StartError(f"the broker does not answer: {error}; is the stack up? (`make up`)") from None
    if as_json:
        transactions = [{"topic": topic, **numbers} for topic, numbers in _by_topic(logs).items()]
        print_json({"transactions": transactions, "offsets": [asdict(each) for each in progress], **report.as_dict()})
    else:
        _print(logs, progress, report.figures)
        print_report(report)
    return 0 if report.clean else 1


async def _progress(settings: Settings, group: str) -> list[Progress]:
    counts = await partition_counts(settings.broker_url, [topic.name for topic in SIGNAL_TOPICS])
    changelog = signals_changelog(group).name
    async with reader(settings.broker_url, group_id=group) as consumer:
        places = await whole_topics(consumer, counts)
        committed = {place: await consumer.committed(place) or 0 for place in places}
    positions = {n: (await recover(settings.broker_url, changelog, n)).positions for n in range(max(counts.values()))}
    return [
        Progress(place.topic, place.partition, end, committed[place], positions[place.partition].get(place.topic, 0))
        for place, (_, end) in places.items()
    ]


def _by_topic(logs: Mapping[TopicPartition, TransactionLog]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for place, log in logs.items():
        numbers = found.setdefault(place.topic, Counter())
        for name in ("committed", "aborted", "committed_records", "aborted_records", "plain_records"):
            numbers[name] += getattr(log, name)
        numbers["open_records"] += log.open_records.total()
    return found


def _print(
    logs: Mapping[TopicPartition, TransactionLog], progress: Sequence[Progress], figures: Mapping[str, Any]
) -> None:
    columns = ("committed", "aborted", "committed_records", "aborted_records", "open_records", "plain_records")
    rows = [(topic, *(f"{numbers[name]:,}" for name in columns)) for topic, numbers in _by_topic(logs).items()]
    print_rows("Transactions, as the log has them", ("topic", *(name.replace("_", " ") for name in columns)), rows)
    offsets = [
        (
            each.topic,
            each.partition,
            *(f"{n:,}" for n in (each.end, each.committed, each.position, each.end - each.position)),
        )
        for each in progress
    ]
    print_rows("Offsets", ("topic", "partition", "end", "committed by the group", "position", "lag"), offsets)
    names = ("signals", "repeated", "refused", "decisions", "wanted", "orders", "outbox", "published", "executions")
    steps = [(name, f"{figures[name]:,}") for name in names if name in figures]
    print_rows(
        "Counts, from the signals to the exchange (wanted: decisions that ask for an order)", ("", "count"), steps
    )
