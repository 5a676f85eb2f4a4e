"""`python -m benchmarks.transactions`: what transactions cost, against the same work without them.

The work: a running count per key, from records in memory to an output topic and a changelog, three partitions. Rounds
are interleaved, on a stack of its own, each with fresh topics. Without transactions nothing is exact after a crash.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import Stack
from streams_app.changefeed import Record
from streams_app.kafka.admin import TopicAdmin
from streams_app.kafka.transactions import Cluster, KafkaCluster
from streams_app.kafka.untransacted import UntransactedCluster
from tests.integration.counting_app import Topics, processor

PARTITIONS = 3
KEYS = 300
WAYS: dict[str, Callable[[str], Cluster]] = {"transactions": KafkaCluster, "without": UntransactedCluster}


async def measure(broker: str, way: str, app_id: str, records: int, batch: int) -> dict[str, float]:
    """Records a second, and milliseconds of a batch: median and 99th percentile."""
    topics = Topics(app_id)
    async with TopicAdmin(broker, PARTITIONS, 1) as admin:
        await admin.create_missing(topics.all())
    counting = processor(WAYS[way](broker), app_id)
    work = [
        Record(topics.source.name, n % PARTITIONS, n // PARTITIONS, b"key-%d" % (n % KEYS), b"") for n in range(records)
    ]
    # Opening is not part of it: it happens once an assignment.
    await counting.process(work[:PARTITIONS])
    took = []
    for first in range(PARTITIONS, records, batch):
        begun = time.perf_counter()
        await counting.process(work[first : first + batch])
        took.append(time.perf_counter() - begun)
    await counting.close()
    return {
        "records_per_second": (records - PARTITIONS) / sum(took),
        "batch_ms": statistics.median(took) * 1000,
        "batch_p99_ms": statistics.quantiles(took, n=100)[98] * 1000,
    }


def run(records: int, rounds: int, sizes: list[int]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over the rounds, by batch size and way."""
    root = Path(tempfile.mkdtemp(prefix="streams-bench-"))
    root.chmod(0o755)
    stack = Stack(root / "stack")
    try:
        stack.up()
        broker = "kafka://" + stack.addresses()["kafka"]
        figures: dict[str, dict[str, dict[str, float]]] = {}
        for size in sizes:
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for n in range(rounds):
                for way in WAYS:
                    name = f"bench-{size}-{n}-{way}"
                    found[way].append(asyncio.run(measure(broker, way, name, records, size)))
            figures[str(size)] = {
                way: {name: statistics.median(each[name] for each in all_rounds) for name in all_rounds[0]}
                for way, all_rounds in found.items()
            }
        return figures
    finally:
        stack.clean()


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transactions", description=__doc__)
    parser.add_argument("--records", type=int, default=60_000, help="records a round (60000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each way (3)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 2000], help="records a batch (300 2000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    # Topics that were made a moment ago make the clients warn.
    logging.disable(logging.ERROR)
    figures = run(options.records, options.rounds, options.sizes)
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    for size, ways in figures.items():
        for way, row in ways.items():
            share = row["records_per_second"] / ways["without"]["records_per_second"]
            print(
                f"batches of {size:>5}  {way:<12}  {row['records_per_second']:>9,.0f} records/s  ×{share:.2f}  "
                f"batch {row['batch_ms']:.1f} ms, p99 {row['batch_p99_ms']:.1f} ms"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
