"""`python -m deploy.trading_chaos.noise`: follows the signals of one timeframe, and sends bad ones behind some of them.

Ends with status 0 when it is asked to, with SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.trading_chaos.bad_signals import MAKERS, bad_signal
from streams_app.commands.console import stop_on_signal
from streams_app.errors import StartError
from streams_app.kafka.reading import partition_counts, reader
from streams_app.kafka.record_sink import TopicSink, record_sink
from streams_app.settings import load_settings
from streams_app.topics import SIGNAL_TOPICS

TOPIC = SIGNAL_TOPICS[0]
# Of the good signals, so many are followed by a bad one.
SHARE = 0.02


async def follow(seed: int) -> None:
    """Send bad signals until SIGTERM comes. Raises StartError and KafkaError."""
    settings, rng = load_settings(), Random(seed)  # noqa: S311 (variety, not secrecy)
    counts = await partition_counts(settings.broker_url, [TOPIC.name])
    places = [TopicPartition(TOPIC.name, number) for number in range(counts[TOPIC.name])]
    async with reader(settings.broker_url) as consumer, record_sink([TOPIC], settings) as sink:
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        with stop_on_signal() as stop:
            while not stop.is_set():
                await _send(await _next(consumer), sink, rng)


async def _next(consumer: AIOKafkaConsumer) -> list[Any]:
    """Good signals that have come."""
    batches = await consumer.getmany(timeout_ms=200)
    return [record for batch in batches.values() for record in batch if not record.headers]


async def _send(good: Sequence[Any], sink: TopicSink, rng: Random) -> None:
    chosen = [record for record in good if rng.random() < SHARE]
    await sink.send([bad_signal(TOPIC.name, each.key, each.value, rng.choice(list(MAKERS))) for each in chosen])


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="decides which signals")
    try:
        asyncio.run(follow(parser.parse_args().seed))
    except (StartError, KafkaError) as error:
        raise SystemExit(f"the noise ends, and is started again: {error}") from None


if __name__ == "__main__":
    main()
