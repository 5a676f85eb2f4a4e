"""The trace store in a worker, on real parts: thirteen topics, redelivery, bad input, months that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local import Stack
from deploy.local.scraped import total_of
from deploy.local.worker import Worker
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.admin import bootstrap_servers
from streams_app.settings import Settings
from streams_app.systems.trace_store.maintenance import prune_region
from streams_app.systems.trace_store.months import ensure_months
from streams_app.systems.trace_store.schemas import STATUS_TOPIC, request_topic, response_topic
from streams_app.topics import DEAD_LETTERS
from tests.fix_stack import Application, eventually
from tests.integration.traces import BODIES, message, record, rows

pytestmark = pytest.mark.stack

# A group of its own: other tests' workers read other topics.
ENVIRONMENT = {"STREAMS_SYSTEMS": "trace_store", "STREAMS_APP_ID": "traces"}
PARTITIONS = 13 * 6 + 3 * 6
REQUEST, RESPONSE = request_topic("analyze"), response_topic("analyze")
COUNT = "SELECT count(*) FROM event_logs WHERE region = %(region)s AND session_id = ANY(%(sessions)s)"


@pytest.fixture(scope="module")
def worker(stack: Stack, settings: Settings) -> Iterator[Worker]:
    """One worker for all tests, started only once."""
    made = Worker("traces", stack.config_path, stack.layout.root, ENVIRONMENT)
    made.start()
    try:
        made.await_ready(partitions=PARTITIONS)
        yield made
    finally:
        made.stop()


async def send(settings: Settings, sent: list[tuple[str, Any]]) -> list[tuple[str, int, int]]:
    """Produce messages, those of a topic in order; returns their places."""
    places = []
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), max_request_size=9_000_000, linger_ms=20
    ) as producer:
        for topic, value in sent:
            key = value["session_id"].encode() if isinstance(value, dict) else b"k"
            places.append(await producer.send(topic, record(topic, value).value, key))
        return [(p.topic, p.partition, p.offset) for p in await asyncio.gather(*places)]


async def stored(databases: Databases, sessions: set[str]) -> int:
    return sum(count for (count,) in await rows(databases, COUNT, sessions=list(sessions)))


async def all_stored(databases: Databases, sessions: set[str], wanted: int) -> None:
    async def there() -> bool:
        """every event is stored"""
        return await stored(databases, sessions) == wanted

    await eventually(there, 60)


async def test_ten_thousand_events_of_all_kinds_are_stored_once_and_redelivered_add_no_row(
    stack: Stack, settings: Settings, databases: Databases, worker: Worker
) -> None:
    sessions = [str(uuid4()) for _ in range(100)]
    sent = [(topic, message(topic, sessions[n % 100])) for n in range(770) for topic in BODIES]
    await send(settings, sent)
    await all_stored(databases, set(sessions), len(sent))

    async def figures() -> bool:
        """the figures of every session are worked out"""
        found = await rows(
            databases,
            "SELECT sum(total_events) FROM event_session_metrics WHERE region = %(region)s AND session_id = ANY(%(s)s)",
            s=sessions,
        )
        return sum(count or 0 for (count,) in found) == len(sent)

    await eventually(figures, 60)
    # The same once more, at new offsets; then all from the beginning of the topics.
    await send(settings, sent)
    worker.stop()
    printed = Application(stack, **ENVIRONMENT).run("replay", "--to-earliest", "--yes")
    assert "omninode_codegen_request_analyze_v1" in printed
    worker.start()
    worker.await_ready(partitions=PARTITIONS)

    async def read_again() -> bool:
        """everything was read again"""
        return total_of(worker.metrics(), "streams_records_total", system="trace_store") >= 2 * len(sent)

    await eventually(read_again, 60)
    assert total_of(worker.metrics(), "streams_records_total", system="trace_store", outcome="applied") == 0
    assert await stored(databases, set(sessions)) == len(sent)
    proof = Application(stack).run("verify", "--system", "trace_store", "--topics", "--grace", "0", "--json")
    found = orjson.loads(proof)
    assert (found["verdict"], found["repeated"]) == ("ok", len(sent))
    assert found["records"] >= 2 * len(sent)


async def test_a_bad_message_of_five_megabytes_is_a_dead_letter_as_it_was(
    settings: Settings, databases: Databases, worker: Worker
) -> None:
    session = str(uuid4())
    large = message(REQUEST, session, prd_content="x" * 5_000_000)
    good = [(topic, message(topic, session)) for topic in (REQUEST, RESPONSE, STATUS_TOPIC)]
    places = await send(settings, [good[0], (REQUEST, large), (REQUEST, b"{"), *good[1:]])
    await all_stored(databases, {session}, 3)
    async with AIOKafkaConsumer(
        DEAD_LETTERS.name,
        bootstrap_servers=bootstrap_servers(settings.broker_url),
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=9_437_184,
    ) as consumer:
        found: dict[tuple[str, int, int], tuple[str, bytes]] = {}
        async with asyncio.timeout(60):
            while not {places[1], places[2]} <= found.keys():
                letter = await consumer.getone()
                # The headers of other tests' records may be anything.
                said = {name: value.decode() for name, value in letter.headers if name.startswith("dead-letter-")}
                place = said["dead-letter-topic"], int(said["dead-letter-partition"]), int(said["dead-letter-offset"])
                found[place] = said["dead-letter-reason"], letter.value
    assert found[places[1]] == ("oversized", record(REQUEST, large).value)
    assert found[places[2]] == ("not_json", b"{")


class Reader:
    """Reads the store all the time; counts, and fails when it must wait for somebody's lock."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.reads = 0

    async def run(self) -> None:
        while True:
            for region in self._databases.regions.names:
                async with self._databases.transaction(region) as connection:
                    await connection.execute(b"SET LOCAL lock_timeout = '200ms'")
                    arguments = {"region": region, "sessions": [str(uuid4())]}
                    await (await connection.execute(COUNT.encode(), arguments)).fetchall()
            self.reads += 1

    async def goes_on(self) -> None:
        """It reads some more."""
        before = self.reads

        async def more() -> bool:
            """readers read"""
            return self.reads > before + 2

        await eventually(more, 20)


async def test_months_begin_and_go_while_events_come_and_readers_read(
    settings: Settings, databases: Databases, worker: Worker
) -> None:
    region, old = "us-east", datetime.now(UTC) - timedelta(days=89)
    following = (datetime.now(UTC).replace(day=1) + timedelta(days=32)).replace(day=1)
    sessions = {str(uuid4()) for _ in range(20)}
    stop, count = asyncio.Event(), 0

    async def feed() -> None:
        nonlocal count
        while not stop.is_set():
            await send(settings, [(topic, message(topic, session)) for session in sessions for topic in BODIES])
            count += len(sessions) * len(BODIES)

    reader = Reader(databases)
    reading, feeding = asyncio.create_task(reader.run()), asyncio.create_task(feed())
    address = settings.regions[region].server
    with psycopg.connect(**connect_arguments(settings.database, address, "owner")) as owner:
        # A month that nobody made yet begins: as on the first day after the workers could make none for long.
        owner.execute(f"DROP TABLE event_logs_{following:%Y%m}".encode())
        assert await ensure_months(databases, region, settings.trace_store) == [f"event_logs_{following:%Y%m}"]
        await reader.goes_on()
        # Somebody looks at the month that is to go, and takes long.
        owner.execute(b"BEGIN")
        owner.execute(b'SELECT count(*) FROM event_logs WHERE region = %s AND "timestamp" < %s', (region, old))
        pruning = asyncio.create_task(asyncio.to_thread(prune_region, settings, region, 40, dry=False))
        await reader.goes_on()
        assert not pruning.done()
        owner.execute(b"COMMIT")
        pruned = await pruning
        assert {month.result for month in pruned} == {"dropped"}
        assert f"event_logs_{old:%Y%m}" in {month.month for month in pruned}
        assert prune_region(settings, region, 40, dry=False) == []
    await reader.goes_on()
    stop.set()
    await feeding
    await all_stored(databases, sessions, count)
    assert not reading.done()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    # They come back when they are needed.
    assert await ensure_months(databases, region, settings.trace_store) == [month.month for month in pruned]


def test_what_the_store_takes_is_shown_and_old_months_are_named(application: Application, databases: Databases) -> None:
    found = orjson.loads(application.run("traces", "maintenance", "--json"))
    assert [region["region"] for region in found] == list(databases.regions.names)
    assert {index[0] for index in found[0]["indexes"]} >= {"idx_event_logs_payload_gin", "idx_event_logs_topic"}
    assert any(table[0] == f"event_logs_{datetime.now(UTC):%Y%m}" for table in found[0]["tables"])
    old = orjson.loads(application.run("traces", "prune", "--older-than", "1", "--dry-run", "--json"))
    assert {month["result"] for month in old} == {"would go"}
    assert f"event_logs_{datetime.now(UTC):%Y%m}" not in {month["month"] for month in old}
    assert "expected one of" in application.run("traces", "prune", "--region", "moon", "--dry-run", status=2)
