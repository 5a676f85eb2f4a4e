"""Tables on real parts: recovered whole, whatever is in the log; lost, stale or damaged they cost time only."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.scraped import total_of
from deploy.local.worker import Worker
from streams_app.changefeed import Version
from streams_app.delivery.ports import Mark
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.disk import DiskPartitions
from streams_app.kafka.group import ConsumerGroup
from streams_app.kafka.marks import encode
from streams_app.kafka.reading import reader, records_between, whole_topics
from streams_app.kafka.recovery import recover
from streams_app.kafka.stores import MemoryPartition, Partition
from streams_app.kafka.versions import ChangelogVersionTable
from streams_app.settings import Settings
from streams_app.topics import TopicSpec, changelog_topic
from tests.fix_stack import Application, Workers, eventually
from tests.integration.data import log_rows
from tests.integration.test_workers import ALL_PARTITIONS, ended, generate, proved, reset_to_the_beginning

pytestmark = pytest.mark.stack

TABLE = "requests-versions"
ALIVE = Mark(Version(3))
ENDED = Mark(Version(9), ended=True)


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of the test's own."""
    made = AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url))
    async with made:
        yield made


@pytest.fixture
async def changelog(settings: Settings) -> str:
    """A changelog of two partitions, new and empty."""
    return await make_topic(settings, f"{secrets.token_hex(4)}-changelog", 2)


async def make_topic(settings: Settings, name: str, partitions: int) -> str:
    """Create a compacted topic."""
    async with TopicAdmin(settings.broker_url, partitions, 1) as admin:
        await admin.create_missing([TopicSpec(name, "a key", config={"cleanup.policy": "compact"})])
    return name


async def delete_topic(settings: Settings, name: str) -> None:
    """Delete a topic and wait until it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(settings.broker_url))
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            """the topic is gone"""
            return name not in await admin.list_topics()

        await eventually(gone)
    finally:
        await admin.close()


async def write(producer: AIOKafkaProducer, topic: str, partition: int, marks: dict[str, Mark | bytes | None]) -> None:
    """Append marks, tombstones (None) or raw values to a changelog."""
    for key, mark in marks.items():
        value = encode(mark, 100) if isinstance(mark, Mark) else mark
        await producer.send_and_wait(topic, value, orjson.dumps(key), partition=partition)


async def test_a_recovery_passes_what_is_no_record(
    settings: Settings, changelog: str, producer: AIOKafkaProducer
) -> None:
    table: dict[int, Partition] = {0: MemoryPartition(1), 1: MemoryPartition(1)}
    await recover(settings.broker_url, "test", changelog, table)
    assert [len(partition) for partition in table.values()] == [0, 0]

    await write(producer, changelog, 0, {"a": ALIVE, "b": ALIVE, "c": b"{no mark", "d": ENDED, "b ": None})
    await write(producer, changelog, 0, {"b": None})
    transactional = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), transactional_id=secrets.token_hex(4)
    )
    async with transactional:
        async with transactional.transaction():
            await write(transactional, changelog, 1, {"e": ALIVE})
        await transactional.begin_transaction()
        await write(transactional, changelog, 1, {"f": ALIVE})
        await transactional.abort_transaction()
    await recover(settings.broker_url, "test", changelog, table)
    assert [table[0].get(key) for key in "abcd"] == [ALIVE, None, None, ENDED]
    assert [table[1].get(key) for key in "ef"] == [ALIVE, None]
    # Past the marker of the aborted transaction, which is the last of the partition.
    assert table[1].place.offset == 4
    # What is known already is not read again: only the rest.
    table[1].clear()
    table[0].place.offset, before = 0, table[0].place.offset
    table[0].put({"a": ENDED}, 1)
    table[0].place.offset = before
    await write(producer, changelog, 0, {"g": ALIVE})
    await recover(settings.broker_url, "test", changelog, table)
    assert (table[0].get("a"), table[0].get("g"), table[1].get("e")) == (ENDED, ALIVE, ALIVE)


async def test_a_recovery_that_was_cut_short_goes_on_where_it_was(
    settings: Settings, changelog: str, producer: AIOKafkaProducer
) -> None:
    await fill(producer, changelog, 2, 60_000)
    table: dict[int, Partition] = {0: MemoryPartition(1), 1: MemoryPartition(1)}
    task = asyncio.ensure_future(recover(settings.broker_url, "test", changelog, table))
    while not sum(len(partition) for partition in table.values()):
        assert not task.done()
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reached = [partition.place.offset for partition in table.values()]
    assert 0 < sum(reached) < 60_000
    await recover(settings.broker_url, "test", changelog, table)
    assert sum(len(partition) for partition in table.values()) == 60_000


async def test_a_disk_reads_only_the_rest_and_trusts_no_other_changelog(
    settings: Settings, changelog: str, producer: AIOKafkaProducer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await write(producer, changelog, 0, {"a": ALIVE, "b": ENDED})
    disk = DiskPartitions(tmp_path, lambda: "worker")

    async def restarted() -> Partition:
        partition = disk.open(0)
        await recover(settings.broker_url, "test", changelog, {0: partition})
        return partition

    partition = await restarted()
    # A mark that is on disk only shows whether the disk was believed.
    partition.put({"witness": ALIVE}, 1)
    partition.close()
    await write(producer, changelog, 0, {"c": ALIVE})
    partition = await restarted()
    assert [partition.get(key) for key in ("witness", "a", "c")] == [ALIVE, ALIVE, ALIVE]
    partition.close()
    assert not caplog.records

    for count, warning in ((3, "its last record is not in the changelog"), (1, "it is ahead of its changelog")):
        caplog.clear()
        await delete_topic(settings, changelog)
        await make_topic(settings, changelog, 2)
        await write(producer, changelog, 0, {f"{count} {number}": ALIVE for number in range(count)})
        partition = await restarted()
        assert warning in caplog.text
        assert [partition.get(key) for key in ("witness", "a", f"{count} 0")] == [None, None, ALIVE]
        partition.put({"witness": ALIVE}, 1)
        partition.close()
    disk.release()


async def test_what_ended_is_forgotten_in_the_changelog_too(
    settings: Settings, changelog: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, partition = versions_on(settings.model_copy(update={"table_grace": 60}), changelog, producer)
    now = [1000.0]
    monkeypatch.setattr("streams_app.kafka.versions.time", SimpleNamespace(time=lambda: now[0]))
    await table.remember(1, {"a": ENDED, "b": ENDED, "c": ALIVE})
    now[0] += 30
    await table.remember(1, {"b": ALIVE, "d": ENDED})
    assert table.get("a", 1) == ENDED
    now[0] += 40
    await table.remember(1, {"c": Mark(Version(4))})
    assert [table.get(key, 1) for key in ("a", "b", "c", "d")] == [None, ALIVE, Mark(Version(4)), ENDED]
    await producer.flush()
    assert partition.place.offset == 7  # 3 + 2 marks, a tombstone and a mark
    recovered = MemoryPartition(1)
    await recover(settings.broker_url, "test", changelog, {1: recovered})
    assert [recovered.get(key) for key in ("a", "b", "c", "d")] == [None, ALIVE, Mark(Version(4)), ENDED]
    # Whoever recovers knows when it ended: d's time has not come yet.
    assert recovered.forget(1020, 10) == []
    assert recovered.forget(1040, 10) == ["d"]


def versions_on(
    settings: Settings, changelog: str, producer: AIOKafkaProducer
) -> tuple[ChangelogVersionTable, MemoryPartition]:
    """A table with partition 1 of a changelog, outside of a worker."""
    partition = MemoryPartition(1)
    store = SimpleNamespace(partitions={1: partition})
    app: Any = SimpleNamespace(
        Table=lambda *_, **__: SimpleNamespace(data=store),
        producer=SimpleNamespace(_ensure_producer=lambda: producer),
    )
    table = ChangelogVersionTable(app, "test", settings)
    table._topic = changelog
    return table, partition


async def fill(producer: AIOKafkaProducer, topic: str, partitions: int, keys: int) -> None:
    """Many marks, evenly over the partitions."""
    for partition in range(partitions):
        batch = producer.create_batch()
        for number in range(partition, keys, partitions):
            record = {"key": orjson.dumps(f"filler-{number:020}"), "value": b"3", "timestamp": None}
            if batch.append(**record) is None:
                await producer.send_batch(batch, topic, partition=partition)
                batch = producer.create_batch()
                batch.append(**record)
        await producer.send_batch(batch, topic, partition=partition)
    await producer.flush()


async def recovered_keys(settings: Settings) -> dict[int, int]:
    """How many keys a worker would find in each partition of the application's changelog now."""
    table = {number: MemoryPartition(1) for number in range(settings.topic_partitions)}
    await recover(settings.broker_url, "test", changelog_topic(settings.app_id, TABLE).name, table)
    return {number: len(partition) for number, partition in table.items()}


async def catch_up(worker: Worker, databases: Any, rows: int) -> None:
    """Wait until a worker has read everything again; it made nothing of it."""
    worker.await_ready(partitions=ALL_PARTITIONS)

    async def caught_up() -> bool:
        """everything was read again"""
        return worker.health().get("lag") == 0 and total_of(worker.metrics(), "streams_records_total") >= rows

    await eventually(caught_up, 60)
    assert await log_rows(databases) == rows
    assert total_of(worker.metrics(), "streams_effects_total") == 0


async def test_a_changelog_that_is_stale_and_full_of_garbage_costs_time_only(
    settings: Settings,
    databases: Any,
    application: Application,
    workers: Workers,
    producer: AIOKafkaProducer,
) -> None:
    topic = changelog_topic(settings.app_id, TABLE).name
    [worker] = workers.start()
    worker.await_ready(partitions=ALL_PARTITIONS)
    await ended(generate(application, "tables", 30))
    worker.stop()
    rows = await log_rows(databases)
    garbage = await roll_back(settings, producer, topic)
    await reset_to_the_beginning(settings)
    [worker] = workers.start()
    await catch_up(worker, databases, rows)
    assert total_of(worker.metrics(), "streams_changelog_skipped_total", table=TABLE) == garbage
    assert f"{garbage} records of the changelog were skipped" in worker.log.read_text()
    report = await ended(generate(application, "tables, again", 15))
    assert report["open"] == 0
    worker.stop()

    # A replay makes the table void: it might be ahead of a database that was restored.
    rows = await log_rows(databases)
    before = await recovered_keys(settings)
    plan = json.loads(await asyncio.to_thread(application.run, "replay", "--to-earliest", "--yes", "--json"))
    replayed = {move["partition"] for move in plan if move["records"]}
    assert len(replayed) > 12
    after = await recovered_keys(settings)
    assert {number for number, keys in before.items() if keys} == set(range(settings.topic_partitions))
    assert {number for number, keys in after.items() if keys} == set(range(settings.topic_partitions)) - replayed
    [worker] = workers.start()
    await catch_up(worker, databases, rows)
    proved(application)


async def roll_back(settings: Settings, producer: AIOKafkaProducer, topic: str) -> int:
    """Bring a changelog back to an older half of itself, with garbage in between; returns how many records of it."""
    async with reader(settings.broker_url) as consumer:
        whole = await whole_topics(consumer, {topic: settings.topic_partitions})
        half = {place: (low, (low + high) // 2) for place, (low, high) in whole.items()}
        records = [record async for record in records_between(consumer, half)]
    assert records
    await delete_topic(settings, topic)
    await make_topic(settings, topic, settings.topic_partitions)
    key = orjson.dumps("a key that nobody has")
    garbage: Sequence[tuple[bytes, bytes | None]] = [
        (b"not json", b"1"),
        (b"\xff\xfe", b"1"),
        (b"17", b"1"),
        (b"not json", None),
        (key, b"{"),
        (key, b'{"seq":"seven"}'),
        (key, b'["a list"]'),
        (key, b'{"colour":"red"}'),
        (key, b"-3"),
    ]
    for number in range(settings.topic_partitions):
        for raw_key, value in garbage:
            await producer.send(topic, value, raw_key, partition=number)
        # A mark of nobody is no garbage: it is as if its request had gone.
        await producer.send(topic, b"5", key, partition=number)
    for record in records:
        await producer.send(topic, record.value, record.key, partition=record.partition)
    await producer.flush()
    return len(garbage) * settings.topic_partitions


async def test_tables_on_disk_that_are_damaged_cost_time_only(
    settings: Settings, databases: Any, application: Application, workers: Workers, tmp_path: Path
) -> None:
    [worker] = workers.start(STREAMS_TABLE_STORE="rocksdict", STREAMS_DATA_DIR=str(tmp_path))
    worker.await_ready(partitions=ALL_PARTITIONS)
    await ended(generate(application, "disk", 30))
    worker.kill()  # no orderly end
    rows = await log_rows(databases)
    place = tmp_path / "versions" / TABLE / f"port-{worker.port}"
    assert (place / "0").is_dir()

    # Warm: what was seen is known.
    await eventually_reset(settings)
    worker.start()
    await catch_up(worker, databases, rows)
    assert "is made anew" not in worker.log.read_text()
    assert total_of(worker.metrics(), "streams_records_total", outcome="duplicate") > 0
    worker.stop()

    for number in range(1, settings.topic_partitions):
        for file in (place / str(number)).iterdir():
            file.write_bytes(b"garbage")
    shutil.rmtree(place / "0")
    await eventually_reset(settings)
    worker.start()
    await catch_up(worker, databases, rows)
    # Once for each partition, but the log keeps lines that repeat to a few.
    assert "cannot be used and is made anew" in worker.log.read_text()
    assert (await ended(generate(application, "disk, again", 15)))["open"] == 0
    worker.stop()

    # The files of before belong to a changelog that is no more.
    topic = changelog_topic(settings.app_id, TABLE).name
    await delete_topic(settings, topic)
    await make_topic(settings, topic, settings.topic_partitions)
    await eventually_reset(settings)
    worker.start()
    await catch_up(worker, databases, await log_rows(databases))
    assert "it is ahead of its changelog" in worker.log.read_text()
    proved(application)


async def eventually_reset(settings: Settings) -> None:
    """Commit offset 0 as soon as the group is empty: a worker that was killed stays in it until its session ends."""

    async def empty() -> bool:
        """the group is empty"""
        return not await ConsumerGroup(settings).members()

    await eventually(empty)
    await reset_to_the_beginning(settings)


async def test_four_workers_that_start_cold_share_one_table(
    settings: Settings, workers: Workers, producer: AIOKafkaProducer
) -> None:
    topic = changelog_topic(settings.app_id, TABLE).name
    await fill(producer, topic, settings.topic_partitions, 60_000)
    keys = sum((await recovered_keys(settings)).values())
    assert keys >= 60_000
    four = workers.start(4)

    async def shared() -> bool:
        """every worker has partitions, and every key is with one of them"""
        health = [worker.health() for worker in four]
        if any(one.get("status") != "ok" or not one.get("partitions") for one in health):
            return False
        if sum(int(str(one["partitions"])) for one in health) != ALL_PARTITIONS:
            return False
        return sum(total_of(worker.metrics(), "streams_table_keys", table=TABLE) for worker in four) == keys

    await eventually(shared, 90)
    # Partitions of one that goes are read by those that stay; they do not read their own again.
    four[0].stop()

    async def taken_over() -> bool:
        """three workers have every key"""
        return sum(total_of(worker.metrics(), "streams_table_keys", table=TABLE) for worker in four[1:]) == keys

    await eventually(taken_over, 60)
    for worker in four:
        log = worker.log.read_text()
        assert "recovery of" in log
        assert "requests-versions: recovered" in log
    assert all(total_of(worker.metrics(), "streams_recovery_remaining") == 0 for worker in four[1:])
