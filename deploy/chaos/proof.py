"""What a run has to show for itself: recoveries measured, everything ended, nothing lost, doubled or disordered."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.chaos.errors import ChaosError
from deploy.chaos.readings import Readings
from deploy.demo.run import APPLICATION
from deploy.local.layout import PROJECT
from streams_app.kafka.admin import bootstrap_servers
from streams_app.settings import Settings
from streams_app.topics import DEAD_LETTERS

INTERVAL = 0.1
# Seconds without any progress after which it is a hang.
PATIENCE = 120.0


def await_recovery(readings: Readings, regions: Sequence[str], ended: datetime) -> float:
    """Wait until the fault that ended at `ended` is recovered; returns how long that took, in seconds from here.

    Recovered means, in every region: each request that stood at an automatic step when the fault ended, and so waited
    for a worker, has been moved on by a committed transition; and so has one that was written after the end, which
    proves the whole path. One partition that nobody works on, or one region without commits or changes, is
    therefore not recovered, however busy the others are. Read from each region's server; the load must go on in all
    regions meanwhile. Raises ChaosError after PATIENCE.
    """
    started = time.monotonic()
    while not all(readings.waiting(region, ended) == 0 and readings.flows(region, ended) for region in regions):
        if time.monotonic() - started > PATIENCE:
            left = {region: readings.waiting(region, ended) for region in regions}
            raise ChaosError(f"not recovered after {PATIENCE:.0f} s: {left} requests still wait for a worker")
        time.sleep(INTERVAL)
    return time.monotonic() - started


def await_the_end(readings: Readings, check: Callable[[], None]) -> None:
    """Wait until every request has ended; `check` is called meanwhile. Raises ChaosError when nothing moves."""
    most, since = -1, time.monotonic()
    while (now := readings.progress()).terminal < now.requests:
        check()
        if now.transitions > most:
            most, since = now.transitions, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise ChaosError(f"no transition for {PATIENCE:.0f} s, but not all have ended: {readings.open_steps()}")
        time.sleep(INTERVAL * 5)


def verified(log: Path) -> tuple[dict[str, int], int, int]:
    """What `verify` says: violations by harm, requests, transitions. Raises ChaosError when it cannot say."""
    done = subprocess.run([*APPLICATION, "verify", "--json"], cwd=PROJECT, capture_output=True, check=False)
    log.write_bytes(done.stdout)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise ChaosError(f"verify could not run:\n{done.stderr.decode()[-2000:]}") from None
    return report["totals"], report["requests"], report["transitions"]


def dead_letters(settings: Settings) -> int:
    """How many records were set aside. The load holds no bad one, so each of them is a lost one."""
    return asyncio.run(_records(settings))


async def _records(settings: Settings) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers(settings.broker_url))
    async with consumer:
        places = [TopicPartition(DEAD_LETTERS.name, n) for n in range(settings.topic_partitions)]
        first, last = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        return sum(last[place] - first[place] for place in places)


def percentile(values: Sequence[float], fraction: float) -> float:
    """The smallest of `values` that at least `fraction` of them do not exceed."""
    return sorted(values)[math.ceil(fraction * len(values)) - 1]
