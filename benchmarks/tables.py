"""`python -m benchmarks.tables`: how fast a table recovers, against Faust's own recovery, and what a key takes.

One run on a stack of its own; every measurement is made in a fresh process. Exit status 1: below the target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import faust
import orjson
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from deploy.local import Stack
from streams_app.changefeed import Version
from streams_app.delivery.ports import Mark
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.disk import DiskPartitions
from streams_app.kafka.marks import encode
from streams_app.kafka.recovery import recover
from streams_app.kafka.stores import MemoryPartitions, Partitions
from streams_app.topics import changelog_topic

PARTITIONS = 24
APP = "bench"
TARGET = 100_000
# Faust's own recovery is measured on fewer records: only its rate counts.
FAUST_SHARE = 5
TOPICS = {"ours": changelog_topic(APP, "versions"), "faust": changelog_topic(APP, "stock")}
KINDS = {
    "memory": "ours, in memory",
    "rocksdict": "ours, rocksdict, from nothing",
    "warm": "ours, rocksdict, warm start",
    "faust": "Faust's own, in memory",
}


def main() -> int:
    """Run the benchmark, or one measurement of it in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in the changelog (1000000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--measure", nargs=3, metavar=("KIND", "BROKER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, broker, folder = options.measure
        measure(kind, broker, Path(folder))
        return 0
    figures = run(options.keys)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)
    return 0 if figures["memory"]["records_per_second"] >= TARGET else 1


def run(keys: int) -> dict[str, Any]:
    """All figures, by what was measured."""
    root = Path(tempfile.mkdtemp(prefix="streams-bench-"))
    root.chmod(0o755)
    stack = Stack(root / "stack")
    say = Console(stderr=True).print
    figures: dict[str, Any] = {}
    try:
        say("starting a stack")
        stack.up()
        broker = "kafka://" + stack.addresses()["kafka"]
        say(f"writing {keys} keys")
        asyncio.run(fill(broker, "ours", keys))
        asyncio.run(fill(broker, "faust", keys // FAUST_SHARE))
        # The first to read finds a broker that has served nobody: it is not counted.
        for kind, title in [("memory", "warming up"), *KINDS.items()]:
            say(title)
            command = [sys.executable, "-m", "benchmarks.tables", "--measure", kind, broker, str(root / "tables")]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            # Faust writes to the terminal around it.
            figures[kind] = json.loads(done.stdout[done.stdout.index(b"{") : done.stdout.rindex(b"}") + 1])
    finally:
        stack.clean()
        shutil.rmtree(root, ignore_errors=True)
    return figures


async def fill(broker: str, which: str, keys: int) -> None:
    """Write a changelog: one record for each key, half of the keys have ended."""
    topic = TOPICS[which]
    async with TopicAdmin(broker, PARTITIONS, 1) as admin:
        await admin.create_missing([topic])
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(broker), max_batch_size=262_144) as producer:
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for record in _records(range(partition, keys, PARTITIONS)):
                if batch.append(**record) is None:
                    await producer.send_batch(batch, topic.name, partition=partition)
                    batch = producer.create_batch()
                    batch.append(**record)
            await producer.send_batch(batch, topic.name, partition=partition)
        await producer.flush()


def _records(numbers: range) -> Iterator[dict[str, Any]]:
    now = int(time.time())
    for number in numbers:
        mark = Mark(Version(2 + number % 10), ended=number % 2 == 0)
        key = str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
        yield {"key": orjson.dumps(key), "value": encode(mark, now), "timestamp": None}


def measure(kind: str, broker: str, folder: Path) -> None:
    """One measurement, in this process; prints its figures."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    before, cpu = resident(), time.process_time()

    def tell(keys: int, seconds: float) -> None:
        figures = {
            "keys": keys,
            "seconds": round(seconds, 2),
            # Beside other work on the machine a second of the clock says little.
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "records_per_second": round(keys / seconds),
            "bytes_per_key": round((resident() - before) / keys),
        }
        print(json.dumps(figures), flush=True)

    if kind == "faust":
        _faust(broker, folder, tell)
    else:
        asyncio.run(_ours(kind, broker, folder, tell))


Tell = Callable[[int, float], None]


async def _ours(kind: str, broker: str, folder: Path, tell: Tell) -> None:
    disk = DiskPartitions(folder, lambda: "bench") if kind != "memory" else None
    made: Partitions = disk or MemoryPartitions(87)
    table = {number: made.open(number) for number in range(PARTITIONS)}
    started = time.perf_counter()
    await recover(broker, "bench", TOPICS["ours"].name, table)
    seconds = time.perf_counter() - started
    tell(sum(len(partition) for partition in table.values()), seconds)
    for partition in table.values():
        partition.close()


def _faust(broker: str, folder: Path, tell: Tell) -> None:
    servers = bootstrap_servers(broker)
    folder.mkdir(exist_ok=True)
    app = faust.App(
        APP,
        broker=f"aiokafka://{servers}",
        datadir=str(folder / "faust"),
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=PARTITIONS,
        web_enabled=False,
        autodiscover=False,
        worker_redirect_stdouts=False,
    )
    table = app.Table("stock", partitions=PARTITIONS, key_type=str)

    async def recovered() -> None:
        recovery = app.tables.recovery
        tell(len(table.data), recovery._recovery_ended_at - recovery._recovery_started_at)
        await worker.stop()

    table.on_recover(recovered)
    worker = faust.Worker(app, loglevel="error", quiet=True)
    worker.execute_from_commandline()


def resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    table = Table(title="Recovery of a table from its changelog", title_justify="left")
    for name in ("", "keys", "seconds", "CPU seconds", "records/s", "target", "× Faust's", "bytes a key (RSS)"):
        table.add_column(name, justify="left" if not name else "right")
    stock = figures["faust"]["records_per_second"]
    for kind, title in KINDS.items():
        row = figures[kind]
        rate = row["records_per_second"]
        target = f"{TARGET:,}" if kind == "memory" else ""
        took = f"{row['seconds']:.1f}", f"{row['cpu_seconds']:.1f}"
        # A warm start reads next to nothing: it has no rate.
        rates = ("", "", "") if kind == "warm" else (f"{rate:,}", target, f"{rate / stock:.1f}")
        cells = (f"{row['keys']:,}", *took, *rates)
        table.add_row(title, *cells, f"{row['bytes_per_key']:,}")
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
