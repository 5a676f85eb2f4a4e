"""Workers that come, go, die and come back under load: nothing lost, next to nothing twice. Seconds are printed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import Stack
from streams_app.settings import Settings
from tests.fix_stack import eventually
from tests.integration.recorders import PARTITIONS, Recorder, Recording

pytestmark = pytest.mark.stack

BATCH = 100


@pytest.fixture
async def recording(stack: Stack, settings: Settings, tmp_path: Path) -> AsyncIterator[Recording]:
    """A topic of its own."""
    made = Recording(stack, settings, tmp_path)
    await made.prepare()
    yield made
    await made.close()


async def shared_by(*workers: Recorder, seconds: float = 40) -> float:
    """Wait until `workers` have all partitions, each its part; returns how long that took."""

    async def shared() -> bool:
        """the partitions are shared"""
        counts = [worker.state().get("partitions", 0) for worker in workers]
        return sum(counts) == PARTITIONS and min(counts) > 0

    began = time.monotonic()
    await eventually(shared, seconds)
    return time.monotonic() - began


async def all_processed(recording: Recording, seconds: float = 60) -> None:
    """Wait until every record was processed at least once."""

    async def processed() -> bool:
        """every record was processed"""
        return recording.processed() == recording.produced

    await eventually(processed, seconds)


async def all_committed(recording: Recording) -> None:
    """Wait until every record is committed."""

    async def committed() -> bool:
        """every record is committed"""
        return sum((await recording.committed()).values()) == recording.produced

    await eventually(committed, 15)


async def test_workers_that_join_and_leave_repeat_at_most_a_batch_of_each_partition(recording: Recording) -> None:
    # Commits are rare here: without the one before partitions go, thousands would come again.
    first, second = (
        recording.worker(STREAMS_BATCH_SIZE=str(BATCH), STREAMS_COMMIT_INTERVAL="30", RECORDER_SECONDS="0.02")
        for _ in range(2)
    )
    first.start()
    await shared_by(first)
    load = recording.begin_load(10, 2000)
    await asyncio.sleep(2)
    second.start()
    joined = await shared_by(first, second)
    await asyncio.sleep(1)
    after_join = recording.repeated()
    assert await second.stop() == 0
    left = await shared_by(first)
    await load
    await all_processed(recording)
    after_leave = recording.repeated()
    print(f"records done twice: {sum(after_join.values())} after a join, {sum(after_leave.values())} after a leave too")
    print(f"joined after {joined:.1f} s (with its start), left after {left:.1f} s")
    assert max(after_join.values()) <= BATCH
    assert all(after_leave[partition] - after_join[partition] <= BATCH for partition in range(PARTITIONS))
    assert await first.stop() == 0
    await all_committed(recording)


async def test_a_restart_under_its_name_moves_no_partition_and_a_death_is_noticed(recording: Recording) -> None:
    # The default session timeout, as for strangers: it is most of the takeover.
    first, second = (recording.worker(STREAMS_INSTANCE_ID=f"{recording.app_id}-{name}") for name in "ab")
    first.start()
    second.start()
    await shared_by(first, second)
    recording.begin_load(60, 1000)

    async def works(worker: Recorder) -> bool:
        """the worker has processed something"""
        return any(pid == worker.pid for pid, *_ in recording.done())

    await eventually(lambda: works(first))
    partitions = {partition for pid, _, partition, *_ in recording.done() if pid == first.pid}
    rebalances = second.state()["rebalances"]
    stopped = time.monotonic()
    assert await first.stop() == 0
    first.start()
    await eventually(lambda: works(first))
    restarted = min(at for pid, at, *_ in recording.done() if pid == first.pid)
    await shared_by(first, second)
    assert second.state()["rebalances"] == rebalances
    assert {partition for pid, _, partition, *_ in recording.done() if pid == first.pid} <= partitions
    assert sum(recording.repeated().values()) == 0

    died = time.monotonic()
    first.signal(signal.SIGKILL)

    def taken_over() -> list[float]:
        return [at for pid, at, partition, *_ in recording.done() if pid == second.pid and partition in partitions]

    async def takes_over() -> bool:
        """the other one processes the partitions of the dead one"""
        return bool(taken_over())

    await eventually(takes_over, 40)
    print(f"restart with static membership: {restarted - stopped:.1f} s from stop to first record")
    print(f"takeover after kill -9: {min(taken_over()) - died:.1f} s")


async def test_a_storm_of_workers_from_a_cold_start_ends_with_all_done_and_none_crashed(recording: Recording) -> None:
    workers = [recording.worker(STREAMS_BATCH_SIZE=str(BATCH), STREAMS_SESSION_TIMEOUT="6") for _ in range(4)]
    load = recording.begin_load(14, 1000)
    for worker in workers:
        worker.start()
    seconds = [await shared_by(*workers)]
    last, *others = workers
    for _ in range(2):
        for worker in others:
            worker.signal(signal.SIGTERM)
        assert [await worker.ended() for worker in others] == [0, 0, 0]
        seconds.append(await shared_by(last))
        for worker in others:
            worker.start()
        seconds.append(await shared_by(*workers))
    await load
    await all_processed(recording)
    print(f"seconds to share (cold start, 4→1, 1→4, 4→1, 1→4): {[round(s, 1) for s in seconds]}")
    print(f"records done twice: {sum(recording.repeated().values())} of {recording.produced}")
    assert all(worker.process is not None and worker.process.poll() is None for worker in workers)
    assert max(recording.repeated().values()) <= 5 * BATCH
    assert [await worker.stop() for worker in workers] == [0] * 4
    await all_committed(recording)
