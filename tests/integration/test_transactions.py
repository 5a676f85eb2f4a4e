"""Exactly once as a read_committed consumer sees it: workers that die, join, leave and hang; brokers that die."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.ports import choose
from streams_app.errors import FencedError
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.kafka.reading import reader, records_between, whole_topics
from streams_app.kafka.transactions import KafkaCluster
from streams_app.settings import Settings
from tests.fix_stack import eventually
from tests.integration.counting_app import Topics, processor

pytestmark = pytest.mark.stack

PARTITIONS = 3
KEYS = [f"key-{n}".encode() for n in range(30)]
PLACES = range(PARTITIONS)


@pytest.fixture
async def app_id(settings: Settings) -> str:
    """An application of its own, with its topics."""
    name = f"counting-{secrets.token_hex(3)}"
    async with TopicAdmin(settings.broker_url, PARTITIONS, 1) as admin:
        await admin.create_missing(Topics(name).all())
    return name


class Tail:
    """Everything on the topic of counts, as a consumer with this isolation level sees it."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.counts: dict[bytes, list[int]] = defaultdict(list)
        self.total = 0

    async def read(self, enough: Callable[[], bool], seconds: float = 60) -> None:
        """Read until it is enough."""
        async with asyncio.timeout(seconds):
            while not enough():
                await self._poll()

    async def finish(self) -> None:
        """Read to the end."""
        places = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(places)
        async with asyncio.timeout(60):
            while {place: await self._consumer.position(place) for place in places} != ends:
                await self._poll()

    async def _poll(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=100)).values():
            self.total += len(records)
            for record in records:
                self.counts[record.key].append(int(record.value))


@asynccontextmanager
async def tail(settings: Settings, app_id: str, isolation: str) -> AsyncIterator[Tail]:
    """Open a tail from the beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), isolation_level=isolation, enable_auto_commit=False
    )
    async with consumer:
        places = [TopicPartition(Topics(app_id).counts.name, n) for n in PLACES]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        yield Tail(consumer)


class Source:
    """Feeds the counting application, the keys in turn."""

    def __init__(self, producer: AIOKafkaProducer, app_id: str) -> None:
        self._producer = producer
        self._topic = Topics(app_id).source.name
        self.sent: dict[bytes, int] = dict.fromkeys(KEYS, 0)

    @property
    def total(self) -> int:
        return sum(self.sent.values())

    async def feed(self, records: int) -> None:
        """Send records."""
        for n in range(records):
            key = KEYS[n % len(KEYS)]
            await self._producer.send(self._topic, b"", key)
            self.sent[key] += 1
        await self._producer.flush()

    async def send(self, key: bytes, value: bytes) -> None:
        """Send one record that does not count."""
        await self._producer.send_and_wait(self._topic, value, key)

    def expected(self) -> dict[bytes, list[int]]:
        """What a consumer must see of each key."""
        return {key: list(range(1, count + 1)) for key, count in self.sent.items()}


@pytest.fixture
async def source(settings: Settings, app_id: str) -> AsyncIterator[Source]:
    """Feeds the application."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url), linger_ms=5) as producer:
        yield Source(producer, app_id)


class Fleet:
    """Workers of the counting application by name; one that ends by itself is started again, as by a supervisor."""

    def __init__(self, stack: Stack, app_id: str, transactions: str) -> None:
        self.logs: dict[str, Path] = {}
        self._folder = stack.layout.root
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "STREAMS_CONFIG": str(stack.config_path),
            "STREAMS_APP_ID": app_id,
            "STREAMS_TOPIC_PARTITIONS": str(PARTITIONS),
            "STREAMS_SESSION_TIMEOUT": "6",
            # Small, so that there is always something under way.
            "STREAMS_BATCH_SIZE": "20",
            "COUNTING_TRANSACTIONS": transactions,
            "COUNTING_WORKER": "1",
        }

    def start(self, name: str) -> None:
        """Start a worker. Under its name it is a static member: it has its partitions again at once."""
        # The port stays, too: Faust dies of a static member with another web address.
        port = self._ports.setdefault(name, choose([name], {}, [])[name])
        log = self.logs[name] = self._folder / f"{self._environment['STREAMS_APP_ID']}-{name}.log"
        command = [sys.executable, "-m", "faust", "-A", "tests.integration.counting_app", "-L", "uvloop", "worker"]
        with log.open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [*command, "--loglevel", "info", "--web-port", str(port)],
                cwd=PROJECT,
                env={**self._environment, "STREAMS_INSTANCE_ID": name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal; after SIGKILL start it again, after SIGTERM wait for the end."""
        process = self._processes[name]
        process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            process.wait(20)
            del self._processes[name]
        if number is signal.SIGKILL:
            self.start(name)

    async def ready(self, name: str) -> None:
        """Wait until a worker has partitions."""

        async def says_so() -> bool:
            """the worker says that it is ready"""
            return "faust.worker: [^Worker]: Ready" in self.logs[name].read_text()

        await eventually(says_so)

    def supervise(self) -> None:
        """Start again what has ended."""
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                self.start(name)

    def stop(self) -> None:
        """Stop what runs."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said(self, text: str) -> list[str]:
        """Lines of the logs with a text."""
        return [line for log in self.logs.values() for line in log.read_text().splitlines() if text in line]


@pytest.fixture
def fleet(stack: Stack, app_id: str, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Workers; all stopped at the end."""
    made = Fleet(stack, app_id, getattr(request, "param", "on"))
    yield made
    made.stop()


async def test_workers_die_join_leave_and_hang_and_every_count_is_seen_once_in_order(
    settings: Settings, app_id: str, source: Source, fleet: Fleet
) -> None:
    async with (
        tail(settings, app_id, "read_uncommitted") as raw,
        tail(settings, app_id, "read_committed") as committed,
    ):

        async def progress(records: int) -> None:
            """Feed more than that, and wait until that many have gone through the workers."""
            await source.feed(900)
            target = raw.total + records
            await raw.read(lambda: fleet.supervise() or raw.total >= target)

        async def all_seen() -> None:
            await committed.read(lambda: fleet.supervise() or committed.total >= source.total)

        fleet.start("a")
        await progress(200)
        fleet.signal("a", signal.SIGKILL)
        await progress(200)
        fleet.signal("a", signal.SIGKILL)
        await progress(200)
        fleet.start("b")
        await fleet.ready("b")
        await progress(300)
        fleet.signal("a", signal.SIGSTOP)
        await source.feed(900)
        await all_seen()  # by the one that runs: it has all partitions now
        await progress(200)
        fleet.signal("a", signal.SIGCONT)
        await progress(600)
        fleet.signal("b", signal.SIGTERM)
        await source.feed(900)
        await all_seen()
        fleet.stop()
        # No worker lives: what is there now is all that there will be.
        await committed.finish()
        await raw.finish()
        assert committed.counts == source.expected()
        print(f"\nrecords={source.total} committed={committed.total} uncommitted={raw.total - committed.total}")
    assert await committed_offsets(settings, app_id) == await ends(settings, app_id)
    assert fleet.said("Unclosed") == []
    assert not [line for line in fleet.said("exception=") if "roducer" in line]


@pytest.mark.parametrize("fleet", ["off"], indirect=True)
async def test_without_transactions_the_same_shows_records_that_count_twice(
    settings: Settings, app_id: str, source: Source, fleet: Fleet
) -> None:
    async with tail(settings, app_id, "read_committed") as seen:
        fleet.start("a")
        for _ in range(2):
            await source.feed(900)
            target = seen.total + 300
            await seen.read(lambda: seen.total >= target)  # noqa: B023 (awaited here)
            fleet.signal("a", signal.SIGKILL)
        await seen.read(lambda: seen.total > source.total)
        assert seen.counts != source.expected()


async def test_a_broker_that_restarts_in_the_middle_neither_loses_nor_doubles_a_count(
    settings: Settings, stack: Stack, app_id: str, source: Source
) -> None:
    await source.feed(1500)
    counting = processor(KafkaCluster(settings.broker_url), app_id)
    done = 0

    async def run() -> None:
        nonlocal done
        async for batch in batches(settings, app_id, await ends(settings, app_id)):
            await counting.process(batch)
            done += len(batch)

    running = asyncio.ensure_future(run())

    async def in_the_middle() -> bool:
        """some of the records are done"""
        return done > 300

    await eventually(in_the_middle)
    assert done < source.total
    # Not killed: on a busy machine the recovery of all its partitions takes longer than the other tests would wait.
    await asyncio.to_thread(stack.restart, "kafka")
    await asyncio.wait_for(running, 90)
    await counting.close()
    async with tail(settings, app_id, "read_committed") as committed:
        await committed.finish()
        assert committed.counts == source.expected()


async def test_fenced_set_back_and_poisoned_and_still_every_count_once(
    settings: Settings, app_id: str, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = KafkaCluster(settings.broker_url)
    zombie, owner = processor(cluster, app_id), processor(cluster, app_id)
    await source.feed(300)
    first = [batch async for batch in batches(settings, app_id, await ends(settings, app_id))]
    await zombie.process(first[0])
    for batch in first:
        await owner.process(batch)
    its_own = {record.partition for record in first[0]}
    with pytest.raises(FencedError):
        await zombie.process([record for batch in first[1:] for record in batch if record.partition in its_own])
    # A plain commit, on its way for long, sets the group back: what comes again is passed over.
    await commit(settings, app_id, 10)
    for key, value in [(KEYS[0], b"bug"), (KEYS[1], b"huge"), (KEYS[2], b"")]:
        await source.send(key, value)
    source.sent[KEYS[2]] += 1
    async for batch in batches(settings, app_id, await ends(settings, app_id)):
        await owner.process(batch)
    await asyncio.gather(zombie.close(), owner.close())
    async with tail(settings, app_id, "read_committed") as committed:
        await committed.finish()
        assert committed.counts == source.expected()
    assert await committed_offsets(settings, app_id) == await ends(settings, app_id)
    assert await reasons(settings, app_id) == {b"processing_failed", b"unsendable"}
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def batches(settings: Settings, app_id: str, until: list[int]) -> AsyncIterator[list[Any]]:
    """The source's records from the beginning up to these offsets, in small batches, as a lane would give them."""
    async with reader(settings.broker_url, max_partition_fetch_bytes=4_000_000) as consumer:
        places = [TopicPartition(Topics(app_id).source.name, n) for n in PLACES]
        consumer.assign(places)
        while [await consumer.position(place) for place in places] != until:
            found = await consumer.getmany(timeout_ms=200, max_records=60)
            if found:
                yield [record for records in found.values() for record in records]


async def commit(settings: Settings, app_id: str, offset: int) -> None:
    """Commit an offset of every partition, outside of any transaction."""
    async with group_member(settings, app_id) as consumer:
        places = [TopicPartition(Topics(app_id).source.name, n) for n in PLACES]
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, offset))
    assert await committed_offsets(settings, app_id) == [offset] * PARTITIONS


async def reasons(settings: Settings, app_id: str) -> set[bytes | None]:
    """Why there are dead letters."""
    found = set()
    async with reader(settings.broker_url) as consumer:
        counts = dict.fromkeys([Topics(app_id).dead_letters.name], PARTITIONS)
        async for record in records_between(consumer, await whole_topics(consumer, counts)):
            found.add(dict(record.headers)["dead-letter-reason"])
    return found


def group_member(settings: Settings, app_id: str) -> AIOKafkaConsumer:
    """A consumer that knows the group and reads nothing."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), group_id=app_id, enable_auto_commit=False
    )


async def committed_offsets(settings: Settings, app_id: str) -> list[int | None]:
    """The group's offsets of the source."""
    async with group_member(settings, app_id) as consumer:
        source = Topics(app_id).source.name
        return [await consumer.committed(TopicPartition(source, n)) for n in PLACES]


async def ends(settings: Settings, app_id: str) -> list[int]:
    """Where the source ends."""
    async with reader(settings.broker_url) as consumer:
        places = [TopicPartition(Topics(app_id).source.name, n) for n in PLACES]
        found = await consumer.end_offsets(places)
        return [found[place] for place in places]
