"""Workers on real parts: sharing, dying, joining, starting again from the beginning; proved by `verify`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.parse
import urllib.request
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.scraped import total_of
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings
from streams_app.systems.requests.agents import TOPICS
from streams_app.systems.requests.model import Status
from streams_app.topics import changelog_topic
from tests.fix_stack import Application, Workers, eventually
from tests.integration.data import head, insert_account, insert_request, log_rows

pytestmark = pytest.mark.stack

REQUESTS = 240
# Three topics of changes, one of events, and for each of three regions one of parked changes and one of parked events.
ALL_PARTITIONS = 10 * 24


def generate(application: Application, seed: str, requests: int = REQUESTS) -> subprocess.Popen[str]:
    """A generator that writes `requests`, answers them, and ends when all of them have ended."""
    return application.start("generate", "--total", str(requests), "--rate", "60", "--seed", seed, "--answer", "--json")


async def ended(generator: subprocess.Popen[str], seconds: float = 120) -> dict[str, Any]:
    """Wait for a generator; returns its report."""
    output, errors = await asyncio.to_thread(generator.communicate, timeout=seconds)
    assert generator.returncode == 0, errors
    report: dict[str, Any] = json.loads(output)
    return report


def proved(application: Application) -> dict[str, Any]:
    """`verify` finds nothing wrong; returns its report."""
    report: dict[str, Any] = json.loads(application.run("verify", "--json"))
    assert report["totals"] == {"lost": 0, "duplicated": 0, "out_of_order": 0, "wrong": 0}
    return report


async def test_a_killed_worker_loses_and_doubles_nothing_and_a_third_one_takes_work(
    application: Application, workers: Workers
) -> None:
    first, second = workers.start(2)
    for worker in (first, second):
        worker.await_ready()
    generator = generate(application, "workers")
    await asyncio.sleep(4)
    first.kill()
    [third] = workers.start()

    async def shared() -> bool:
        """the two that live share all partitions, and each has some"""
        counts = [int(str(worker.health().get("partitions", 0))) for worker in (second, third)]
        return sum(counts) == ALL_PARTITIONS and min(counts) > 0

    await eventually(shared, 40)
    assert (await ended(generator))["open"] == 0
    report = proved(application)
    assert report["requests"] >= REQUESTS
    assert report["open"] == 0
    # The third worker did take work: it has committed steps of its own.
    assert total_of(third.metrics(), "streams_effects_total", kind="transition") > 0


@pytest.mark.parametrize("table", ["kept", "lost"])
async def test_replay_from_the_beginning_adds_no_row(
    settings: Settings, databases: Any, application: Application, workers: Workers, table: str
) -> None:
    [worker] = workers.start()
    worker.await_ready(partitions=ALL_PARTITIONS)
    await ended(generate(application, "replay", 60))
    worker.stop()
    before = await log_rows(databases)
    await reset_to_the_beginning(settings)
    if table == "lost":
        await make_changelog_anew(settings)
    [again] = workers.start()
    again.await_ready(partitions=ALL_PARTITIONS)

    async def caught_up() -> bool:
        """the replay is at its end"""
        seen = total_of(again.metrics(), "streams_records_total")
        return again.health().get("lag") == 0 and seen > before

    await eventually(caught_up, 60)
    assert await log_rows(databases) == before
    assert total_of(again.metrics(), "streams_effects_total") == 0
    duplicates = total_of(again.metrics(), "streams_records_total", outcome="duplicate")
    assert (duplicates > 0) == (table == "kept")
    proved(application)


async def test_a_worker_whose_work_is_stuck_says_so_and_ends_for_the_next_to_go_on(
    settings: Settings, databases: Any, application: Application, workers: Workers
) -> None:
    [worker] = workers.start(STREAMS_STALL_TIMEOUT="2")
    worker.await_ready(partitions=ALL_PARTITIONS)
    account = await insert_account(databases)
    server = settings.regions[databases.regions.of_account(account)].server
    async with await psycopg.AsyncConnection.connect(
        **{**connect_arguments(settings.database, server, "owner"), "autocommit": False}
    ) as holder:
        # Every step reads it, nobody who writes a request does.
        await holder.execute("LOCK TABLE trade_info IN ACCESS EXCLUSIVE MODE")
        key = await insert_request(databases, account)

        async def unhealthy() -> bool:
            """the worker says that it is stuck"""
            return worker.health().get("status") == "HTTP 503"

        await eventually(unhealthy, 20)
        status = await asyncio.to_thread(worker.wait, 30)
    assert status not in (None, 0)
    assert "no progress for 4 s although there is work" in worker.log.read_text()
    workers.start()

    async def done() -> bool:
        """the next worker has brought the request to its end"""
        found = await head(databases, key)
        return found is not None and found[0] == Status.COMPLETE

    await eventually(done, 60)
    proved(application)


async def test_the_metrics_agree_with_the_database_and_prometheus_scrapes_them(
    stack: Any, databases: Any, application: Application, workers: Workers
) -> None:
    [worker] = workers.start()
    worker.await_ready(partitions=ALL_PARTITIONS)
    before = await log_rows(databases)
    await ended(generate(application, "metrics", 80))
    # Every request has its first event from the generator, all others from the worker.
    made = await log_rows(databases) - before - 80
    assert total_of(worker.metrics(), "streams_effects_total", kind="transition") == made
    assert total_of(worker.metrics(), "streams_transitions_total") == made
    prometheus = stack.addresses().get("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed on this machine")
    query = urllib.parse.urlencode({"query": f'sum(streams_transitions_total{{instance="127.0.0.1:{worker.port}"}})'})

    async def scraped() -> bool:
        """Prometheus has the worker's count"""
        found = await asyncio.to_thread(ask, f"{prometheus}/api/v1/query?{query}")
        return bool(found) and float(found[0]["value"][1]) == made

    await eventually(scraped, 20)


def ask(url: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


async def reset_to_the_beginning(settings: Settings) -> None:
    """Commit offset 0 of every partition for the workers' group, which must be empty."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers(settings.broker_url), group_id=settings.app_id, enable_auto_commit=False
    )
    async with consumer:
        places = [TopicPartition(topic.name, n) for topic in TOPICS for n in range(settings.topic_partitions)]
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, 0))


async def make_changelog_anew(settings: Settings) -> None:
    """Delete the table's changelog topic and create it again, empty."""
    spec = changelog_topic(settings.app_id, "requests-versions")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(settings.broker_url))
    await admin.start()
    try:
        await admin.delete_topics([spec.name])

        async def gone() -> bool:
            """the topic is gone"""
            return spec.name not in await admin.list_topics()

        await eventually(gone)
    finally:
        await admin.close()
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as topics:
        await topics.create_missing([spec])
