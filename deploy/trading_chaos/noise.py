"""`python -m deploy.trading_chaos.noise`: follows the signals of one timeframe, and sends bad ones behind some of them.

Started again after it failed it begins at the first signal, and sends more than it would have.
"""

from __future__ import annotations

import argparse
import asyncio
from random import Random

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from deploy.trading_chaos.bad_signals import HEADER, MAKERS, bad_signal
from streams_app.errors import StartError
from streams_app.kafka.reading import partition_counts, reader
from streams_app.kafka.record_sink import record_sink
from streams_app.settings import load_settings
from streams_app.topics import SIGNAL_TOPICS

TOPIC = SIGNAL_TOPICS[0]
# Of the good signals, so many are followed by a bad one.
SHARE = 0.02


async def follow(seed: int, total: int) -> None:
    """Send bad signals until `total` good ones have come. Raises StartError and KafkaError."""
    settings, rng, seen = load_settings(), Random(seed), 0  # noqa: S311 (variety, not secrecy)
    counts = await partition_counts(settings.broker_url, [TOPIC.name])
    async with reader(settings.broker_url) as consumer, record_sink([TOPIC], settings) as sink:
        consumer.assign([TopicPartition(TOPIC.name, number) for number in range(counts[TOPIC.name])])
        while seen < total:
            batches = await consumer.getmany(timeout_ms=200)
            good = [record for batch in batches.values() for record in batch if HEADER not in record.headers]
            chosen = [record for record in good if rng.random() < SHARE]
            await sink.send([bad_signal(TOPIC.name, each.key, each.value, rng.choice(list(MAKERS))) for each in chosen])
            seen += len(good)


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="decides which signals")
    parser.add_argument("--total", type=int, required=True, help="good signals of the timeframe, repetitions too")
    arguments = parser.parse_args()
    try:
        asyncio.run(follow(arguments.seed, arguments.total))
    except (StartError, KafkaError) as error:
        raise SystemExit(f"the noise ends, and is started again: {error}") from None


if __name__ == "__main__":
    main()
