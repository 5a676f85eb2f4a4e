"""The local stack on real parts: changes flow, broken parts mend, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import tomllib
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2

from deploy.local import REGIONS, Stack
from deploy.local.layout import PROJECT
from streams_app.kafka.admin import TopicAdmin
from streams_app.kafka.reading import admin_client, reader, records_between, whole_topics
from streams_app.topics import TopicSpec

pytestmark = pytest.mark.stack

TOPICS = {
    "request_info": "acct-mgmt.new-request-events",
    "request_status_head": "acct-mgmt.request-status-events",
    "request_signal": "acct-mgmt.request-signals",
}
PARTITIONS = 24
ARRIVAL_SECONDS = 15.0

# Just enough of the tables for the connectors; the real ones come from the application's migrations.
SCHEMA = """
CREATE TABLE IF NOT EXISTS request_info
    (locality int2, request_id uuid, created_ts timestamptz DEFAULT now(), PRIMARY KEY (locality, request_id));
CREATE TABLE IF NOT EXISTS request_status_head
    (locality int2, request_id uuid, seq_num int8, PRIMARY KEY (locality, request_id));
CREATE TABLE IF NOT EXISTS request_signal
    (locality int2, request_id uuid, signal_id uuid, PRIMARY KEY (locality, request_id, signal_id));
CREATE TABLE IF NOT EXISTS debezium_heartbeat (id int PRIMARY KEY, beat_ts timestamptz);
CREATE TABLE IF NOT EXISTS event_production_log (event_id uuid PRIMARY KEY);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO streams_replication;
GRANT INSERT, UPDATE ON debezium_heartbeat TO streams_replication;
GRANT SELECT, INSERT, UPDATE ON request_info, request_status_head, request_signal TO streams_app;
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_publication WHERE pubname = 'streams_requests') THEN
        CREATE PUBLICATION streams_requests
            FOR TABLE request_info, request_status_head, request_signal, debezium_heartbeat;
        CREATE PUBLICATION streams_events FOR TABLE event_production_log;
    END IF;
END $$;
"""


def settings(stack: Stack) -> dict[str, Any]:
    return tomllib.loads(stack.config_path.read_text(encoding="utf-8"))


def connect(stack: Stack, region: str, way: str, use: str) -> psycopg.Connection:
    config = settings(stack)
    host, port = config["regions"][region][way].split(":")
    secret = stack.config_path.parent / config["database"][f"{use}_password_file"]
    return psycopg.connect(
        host=host,
        port=port,
        dbname=config["database"]["name"],
        user=config["database"][f"{use}_user"],
        password=secret.read_text(encoding="utf-8"),
        prepare_threshold=None,
        autocommit=True,
    )


def broker(stack: Stack) -> str:
    return str(settings(stack)["broker_url"]).removeprefix("kafka://")


def prepare(stack: Stack) -> None:
    for region in REGIONS:
        with connect(stack, region, "server", "owner") as connection:
            connection.execute(SCHEMA)
    asyncio.run(create_topics(broker(stack)))


async def create_topics(address: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        topics = [NewTopic(name, PARTITIONS, 1) for name in TOPICS.values()]
        topics += [NewTopic(f"__debezium-heartbeat.{region}", 1, 1) for region in REGIONS]
        await admin.create_topics(topics)
    finally:
        await admin.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("local") / "stack", connectors=["requests", "events"])
    try:
        stack.up(prepare=prepare)
        yield stack
    finally:
        stack.clean()


def insert(stack: Stack, region: str) -> str:
    """Write a request with its head and a signal through the region's pooler; return its id."""
    request_id, locality = str(uuid.uuid4()), REGIONS[region][0]
    with connect(stack, region, "pooler", "app") as connection, connection.transaction():
        key = (locality, request_id)
        connection.execute("INSERT INTO request_info VALUES (%s, %s)", key)
        connection.execute("INSERT INTO request_status_head VALUES (%s, %s, 1)", key)
        connection.execute("INSERT INTO request_signal VALUES (%s, %s, gen_random_uuid())", key)
    return request_id


async def arrivals(stack: Stack, wanted: set[str]) -> dict[tuple[str, str], ConsumerRecord]:
    """Read all three topics until every wanted key is on each; return the records by topic and key."""
    consumer = AIOKafkaConsumer(
        *TOPICS.values(),
        bootstrap_servers=broker(stack),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    found: dict[tuple[str, str], ConsumerRecord] = {}
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while any((topic, key) not in found for topic in TOPICS.values() for key in wanted):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        key = record.key.decode()
                        assert (record.topic, key) not in found, "the change came twice"
                        found[record.topic, key] = record
    finally:
        await consumer.stop()
    return found


async def test_a_row_of_each_region_arrives_keyed_by_its_request(stack: Stack) -> None:
    ids = {insert(stack, region): region for region in REGIONS}
    began = time.monotonic()
    found = await arrivals(stack, set(ids))
    assert time.monotonic() - began < 10
    for table, topic in TOPICS.items():
        for request_id, region in ids.items():
            record = found[topic, request_id]
            envelope = json.loads(record.value)
            assert envelope["op"] == "c"
            assert envelope["after"]["request_id"] == request_id
            assert (envelope["source"]["name"], envelope["source"]["table"]) == (region, table)
            assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS


async def test_changes_go_on_after_a_killed_database_is_back(stack: Stack) -> None:
    before = insert(stack, "us-east")
    stack.kill("postgres-us-east")
    assert stack.status()["postgres-us-east"]["state"] == "died"
    stack.restart("postgres-us-east")
    await arrivals(stack, {before, insert(stack, "us-east")})


async def test_changes_go_on_after_a_killed_connect_is_back(stack: Stack) -> None:
    stack.kill("connect")
    meanwhile = insert(stack, "us-west")
    stack.restart("connect")
    await arrivals(stack, {meanwhile, insert(stack, "us-central")})


def test_every_connector_that_was_asked_for_reads_in_every_region(stack: Stack) -> None:
    for region, database in stack.databases.items():
        name = region.replace("-", "_")
        assert database.streams(f"requests_{name}")
        assert database.streams(f"events_{name}")


def test_the_status_names_every_part_as_ready(stack: Stack) -> None:
    command = [sys.executable, "-m", "deploy.local", "status", "--json", "--root", str(stack.layout.root)]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True)
    status = json.loads(done.stdout)
    assert {name: part["state"] for name, part in status.items()} == dict.fromkeys(stack.parts, "ready")
    assert done.returncode == 0
    assert all(part["pid"] and part["address"] in stack.addresses().values() for part in status.values())


def test_secrets_are_in_no_log_no_command_line_and_no_connector(stack: Stack) -> None:
    secrets = [path.read_text(encoding="utf-8") for path in stack.layout.secrets.iterdir()]
    lines = [path.read_text(encoding="utf-8") for path in stack.layout.root.glob("logs/*.log")]
    for row in stack.status().values():
        lines.append(Path(f"/proc/{row['pid']}/cmdline").read_text(encoding="utf-8"))
    lines.append(json.dumps(stack.connect.connectors()))
    assert not [secret for secret in secrets if any(secret in line for line in lines)]


def test_clean_leaves_no_process_and_no_folder(stack: Stack) -> None:
    services = stack.layout.services.resolve()
    pids = [row["pid"] for row in stack.status().values()]
    stack.clean()
    assert not stack.layout.root.exists()
    assert not services.exists()
    assert not [pid for pid in pids if is_running(pid)]
    assert [row["state"] for row in stack.status().values()] == ["stopped"] * len(pids)


def is_running(pid: object) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


COPIED = TopicSpec("copied", "none", 3)  # as many partitions as brokers: each leads one


async def test_of_three_brokers_one_may_die_while_writes_go_on_and_catches_up(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack", brokers=3, connectors=())
    try:
        await asyncio.to_thread(stack.up, prepare=lambda _: asyncio.run(create_copied_topic(stack)))
        async with AIOKafkaProducer(bootstrap_servers=broker(stack), acks="all") as producer:
            await write_everywhere(producer, b"before")
            await asyncio.to_thread(stack.kill, "kafka-2")
            assert stack.status()["kafka-2"]["state"] == "died"
            await write_everywhere(producer, b"meanwhile")
            await asyncio.to_thread(stack.restart, "kafka-2")
            async with admin_client(settings(stack)["broker_url"]) as admin:
                (topic,) = await admin.describe_topics([COPIED.name])
            assert [set(partition["isr"]) for partition in topic["partitions"]] == [{1, 2, 3}] * COPIED.partitions
            await write_everywhere(producer, b"after")
        assert await contents(stack) == {n: [b"before", b"meanwhile", b"after"] for n in range(COPIED.partitions)}
    finally:
        await asyncio.to_thread(stack.clean)


async def create_copied_topic(stack: Stack) -> None:
    config = settings(stack)
    async with TopicAdmin(config["broker_url"], PARTITIONS, config["topic_replication"]) as admin:
        await admin.create_missing([COPIED])


async def write_everywhere(producer: AIOKafkaProducer, value: bytes) -> None:
    async with asyncio.timeout(ARRIVAL_SECONDS):
        for partition in range(COPIED.partitions):
            await producer.send_and_wait(COPIED.name, value, partition=partition)


async def contents(stack: Stack) -> dict[int, list[bytes]]:
    """What is on each partition."""
    found: dict[int, list[bytes]] = defaultdict(list)
    async with reader(settings(stack)["broker_url"]) as consumer:
        stretches = await whole_topics(consumer, {COPIED.name: COPIED.partitions})
        async for record in records_between(consumer, stretches):
            found[record.partition].append(record.value)
    return dict(found)
