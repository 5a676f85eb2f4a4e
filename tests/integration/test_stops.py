"""A worker that is told to stop, that is too slow, or that has lost its broker."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from tests.fix_stack import eventually
from tests.integration.recorders import PARTITIONS, Recorder, Recording
from tests.integration.test_rebalance import all_committed, all_processed, recording, shared_by

__all__ = ["recording"]
pytestmark = pytest.mark.stack


async def begun(recording: Recording, worker: Recorder) -> None:
    """Wait until the worker has a batch in flight."""

    async def in_flight() -> bool:
        """a batch is in flight"""
        return (recording.folder / f"begun-{worker.pid}").exists()

    await eventually(in_flight)


async def test_a_batch_in_flight_ends_and_is_committed_or_is_given_up_and_is_not(recording: Recording) -> None:
    hold = recording.folder / "hold"
    hold.touch()
    worker = recording.worker(STREAMS_DRAIN_TIMEOUT="2", STREAMS_BATCH_SIZE="40")
    worker.start()
    await shared_by(worker)
    await recording.produce(400)
    await begun(recording, worker)
    # Given up: it takes longer than the drain timeout. Asked twice, and by Ctrl-C, it still ends in order.
    worker.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGINT)
    assert await worker.ended() == 0
    assert recording.done() == []
    assert sum((await recording.committed()).values()) == 0
    assert "given up" in worker.log.read_text()

    # Ended: one batch, although much more waits.
    worker.start()
    await begun(recording, worker)
    worker.signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    hold.unlink()
    assert await worker.ended() == 0
    assert recording.processed() == 40
    assert sum((await recording.committed()).values()) == 40

    worker.start()
    await all_processed(recording)
    assert sum(recording.repeated().values()) == 0
    await all_committed(recording)


async def test_a_slow_agent_pauses_partitions_and_its_buffer_stays_bounded(recording: Recording) -> None:
    batch, buffer = 100, 500
    worker = recording.worker(STREAMS_BATCH_SIZE=str(batch), STREAMS_BUFFER_RECORDS=str(buffer), RECORDER_SECONDS="0.1")
    worker.start()
    await shared_by(worker)
    await recording.produce(6000)
    most, paused = 0, 0

    async def processed() -> bool:
        """every record was processed"""
        nonlocal most, paused
        state = worker.state()
        most, paused = max(most, state.get("buffered", 0)), max(paused, state.get("paused", 0))
        return recording.processed() == recording.produced

    await eventually(processed, 60)
    print(f"buffered at most {most} of {recording.produced}, {paused} partitions paused at once")
    # Each partition may bring one more fetch before it is paused.
    assert most <= buffer + PARTITIONS * 2 * batch
    assert paused > 0
    assert sum(recording.repeated().values()) == 0
    await all_committed(recording)
    shown = worker.page("/")["Sensor0"]
    assert shown["messages_received_total"] == 6000
    assert shown["messages_received_by_topic"] == {recording.topic.name: 6000}
    assert sum(shown["topic_committed_offsets"][recording.topic.name].values()) == 6000


async def test_an_outage_of_the_broker_is_short_in_the_log_and_loses_nothing(
    recording: Recording, stack: Stack
) -> None:
    stays, stops = (
        recording.worker(STREAMS_BATCH_SIZE="100", STREAMS_SESSION_TIMEOUT="6", RECORDER_SECONDS="0.05")
        for _ in range(2)
    )
    stays.start()
    stops.start()
    await shared_by(stays, stops)
    await recording.produce(8000)

    async def under_way() -> bool:
        """some records were processed"""
        return recording.processed() > 1000

    await eventually(under_way)
    lines, began = stays.lines(), time.monotonic()
    await asyncio.to_thread(stack.kill, "kafka")
    try:
        await asyncio.sleep(9)
        # Without a broker a worker ends, too.
        assert await stops.stop() == 0
        await asyncio.sleep(2)
    finally:
        lines, seconds = stays.lines() - lines, time.monotonic() - began
        await asyncio.to_thread(stack.restart, "kafka")
    await all_processed(recording, 90)
    await recording.produce(800)
    await all_processed(recording)
    await all_committed(recording)
    print(f"{lines} lines in {seconds:.0f} s without a broker; {sum(recording.repeated().values())} records done twice")
    assert lines <= 200 * seconds / 60
    assert stays.process is not None
    assert stays.process.poll() is None
    # Whoever comes next finds the connectors at work again.
    await asyncio.to_thread(stack.connect.await_connectors)


async def test_what_a_writers_open_transaction_hides_is_told_until_it_ends(recording: Recording) -> None:
    worker = recording.worker()
    worker.start()
    await shared_by(worker)
    writer = AIOKafkaProducer(bootstrap_servers=recording.servers, transactional_id=f"{recording.app_id}-writer")
    async with writer:
        async with writer.transaction():
            for _ in range(5):
                await writer.send_and_wait(recording.topic.name, b"v", key=b"k", partition=0)

            async def hidden() -> bool:
                """the hidden records are told"""
                return bool(worker.state().get("hidden") == 5)

            await eventually(hidden)
            assert worker.state()["lag"] == 0

        async def shown() -> bool:
            """nothing is hidden any more"""
            return bool(worker.state().get("hidden") == 0)

        await eventually(shown)
    assert await worker.stop() == 0
