"""Trading on real parts, from signals to executions: each counted once, bad input set aside, everything provable."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from deploy.local.scraped import total_of
from streams_app.changefeed import Record
from streams_app.commands.whole_topics import records_of
from streams_app.databases import Databases, Regions
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.admin import bootstrap_servers
from streams_app.settings import Settings
from streams_app.systems.trading.messages import SIGNAL_TOPIC, write_signal
from streams_app.systems.trading.model import Signal, locality_of_symbol, named
from streams_app.systems.trading.order_events import read_order_event
from streams_app.systems.trading.outbox import ensure_days, prune_region
from streams_app.topics import DEAD_LETTERS, DECISIONS, ORDERS
from tests.fix_stack import Workers, eventually
from tests.integration.trading import APP_ID, Trading, running

pytestmark = pytest.mark.stack

REGION = "us-east"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
ORDER_COUNT = b"SELECT count(*) FROM app.orders WHERE region = %(region)s"


@pytest.fixture(scope="module")
def trading(stack: Stack, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trading]:
    """The whole system, started once, with signals on their way."""
    with running(stack, settings, tmp_path_factory.mktemp("exchange")) as system:
        # Of a time with movement, which not every hour has, and long enough for windows that agree; every signal is
        # there twice.
        until = "2026-11-18T15:00"
        system.run("generate", "--bars", "90", "--until", until, "--repeat", "2", "--symbols", "ES,NQ,YM,GC")
        yield system


async def everything(settings: Settings, *topics: Any) -> list[Record]:
    return [record async for record in records_of(settings, topics)]


async def quiet(trading: Trading) -> dict[str, Any]:
    """Wait until nothing is on its way; returns what `eos-verify` says then."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        """every order is executed, and everything before it is done"""
        nonlocal found
        orders = await asyncio.to_thread(trading.json, "orders", "--limit", "1")
        if set(orders["by_status"]) - {"FILLED", "REJECTED"} or trading.worker.health().get("lag") != 0:
            return False
        found = await asyncio.to_thread(trading.json, "eos-verify", "--grace", "60")
        return bool(found["wanted"] == found["orders"] == found["published"] == found["executions"])

    await eventually(is_over, 60)
    return found


async def orders_of(databases: Databases) -> int:
    total = 0
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            [(count,)] = await (await connection.execute(ORDER_COUNT, {"region": region})).fetchall()
            total += count
    return total


def test_five_identical_signals_lead_to_one_decision(trading: Trading) -> None:
    said = trading.run("eos-demo", "--symbol", "ZB")
    assert said.splitlines()[-1] == "5 signals, 1 decision"
    assert trading.json("eos-demo", "--symbol", "ZB", "--signals", "3")["decisions"] == 1


async def test_signals_become_decisions_orders_and_executions_and_all_of_it_is_proved(
    settings: Settings, trading: Trading
) -> None:
    found = await quiet(trading)
    assert found["verdict"] == "ok"
    assert found["totals"] == {"lost": 0, "duplicated": 0, "out_of_order": 0, "wrong": 0}
    assert found["recomputed"] is True
    assert found["repeated"] >= 4 * 90
    assert found["decisions"] == found["signals"] - found["repeated"] - found["refused"]
    assert found["orders"] > 0
    assert {each["end"] - each["position"] for each in found["offsets"]} == {0}
    [decisions, changelog] = found["transactions"]
    assert decisions["committed_records"] == found["decisions"]
    assert (decisions["plain_records"], decisions["open_records"]) == (0, 0)
    assert changelog["committed"] >= decisions["committed"] / 3 > 0
    metrics = trading.worker.metrics()
    assert total_of(metrics, "streams_transactions_total", system="signals", outcome="committed") > 0
    assert total_of(metrics, "streams_exchange_requests_total", method="POST", status="201") > 0


async def test_the_shape_of_messages_on_trading_orders(settings: Settings, trading: Trading) -> None:
    await quiet(trading)
    for record in await everything(settings, ORDERS):
        headers = {name: (value or b"").decode() for name, value in record.headers}
        event = read_order_event(record)
        assert event is not None
        assert {"event_id", "aggregate_id", "event_type", "occurred_at"} <= headers.keys()
        assert (record.key, headers["event_type"]) == (headers["aggregate_id"].encode(), "OrderCreated")
        assert headers["event_id"] == str(event.event_id) == headers["id"]
        payload = orjson.loads(record.value or b"")
        assert payload["order_id"] == headers["aggregate_id"]
        assert {"client_order_id", "symbol", "side", "qty", "price", "confidence", "decision_id"} < payload.keys()
        occurred_at = datetime.fromisoformat(headers["occurred_at"])
        assert abs(record.timestamp - occurred_at.timestamp() * 1000) < 1


def bad_signals() -> list[tuple[str, bytes, bytes, str]]:
    """Topic, key and value of signals that cannot be used, and why."""
    good = Signal(uuid4(), "CL", "1m", NOW, "70.5")

    def changed(reason: str, **fields: Any) -> tuple[str, bytes, bytes, str]:
        data = orjson.loads(write_signal(replace(good, signal_id=uuid4()))) | fields
        kept = {name: value for name, value in data.items() if value is not None}
        return f"{SIGNAL_TOPIC}1m", b"CL", orjson.dumps(kept), reason

    return [
        changed("unknown_symbol", symbol="TULIPS"),
        changed("bad_price", price="NaN"),
        changed("bad_price", price="-70.5"),
        changed("missing_id", signal_id=None),
        changed("stale_signal", time=(NOW - timedelta(days=2)).isoformat()),
        changed("wrong_timeframe", timeframe="15m"),
        changed("from_the_future", time=(NOW + timedelta(days=2)).isoformat()),
        (f"{SIGNAL_TOPIC}1m", b"CL", write_signal(good).replace(b'"70.5"', b"NaN"), "not_json"),
        (f"{SIGNAL_TOPIC}1m", b"CL", b"\xff\x00", "not_utf8"),
        changed("wrong_key", symbol="NQ"),
    ]


async def test_bad_signals_are_dead_letters_and_their_neighbours_are_decided(
    settings: Settings, trading: Trading
) -> None:
    sent: dict[tuple[str, int, int], tuple[bytes, str]] = {}
    neighbours = [Signal(uuid4(), "CL", "1m", NOW - timedelta(minutes=n), "70.5") for n in range(12)]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer:
        for neighbour, (topic, key, value, reason) in zip(neighbours, [*bad_signals(), *bad_signals()], strict=False):
            await producer.send_and_wait(f"{SIGNAL_TOPIC}1m", write_signal(neighbour), b"CL")
            placed = await producer.send_and_wait(topic, value, key)
            sent[placed.topic, placed.partition, placed.offset] = value, reason
    wanted = {str(neighbour.signal_id) for neighbour in neighbours}

    async def decided() -> bool:
        """every neighbour is decided"""
        records = await everything(settings, DECISIONS)
        return wanted <= {orjson.loads(record.value or b"")["signal_id"] for record in records}

    await eventually(decided)
    found: Counter[tuple[str, int, int]] = Counter()
    for record in await everything(settings, DEAD_LETTERS):
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        place = headers["dead-letter-topic"], int(headers["dead-letter-partition"]), int(headers["dead-letter-offset"])
        if place in sent:
            assert (record.value, headers["dead-letter-reason"]) == sent[place]
            found[place] += 1
    assert found == Counter(dict.fromkeys(sent, 1))
    assert (await quiet(trading))["verdict"] == "ok"


async def test_decisions_that_come_again_and_are_read_again_order_nothing_twice(
    settings: Settings, trading: Trading, databases: Databases, workers: Workers
) -> None:
    await quiet(trading)
    before = await orders_of(databases)
    records = await everything(settings, DECISIONS)
    wanted = {record.key: record for record in records if orjson.loads(record.value or b"")["confidence"] >= "0.65"}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer:
        for record in wanted.values():
            await producer.send_and_wait(DECISIONS.name, record.value, record.key)
    # An order manager of another group reads everything from the beginning.
    [other] = workers.start(
        STREAMS_SYSTEMS="trading", STREAMS_TRADING__ROLES="order_manager", STREAMS_APP_ID=f"{APP_ID}-again"
    )
    other.await_ready()

    async def through() -> bool:
        """both order managers are through"""
        return other.health().get("lag") == 0 == trading.worker.health().get("lag")

    await eventually(through)
    assert total_of(other.metrics(), "streams_records_total", system="order_manager", outcome="stale") >= before
    assert await orders_of(databases) == before
    found = await asyncio.to_thread(trading.json, "check-duplicates", status=1)
    by_topic = {each["topic"]: each["duplicates"] for each in found}
    assert by_topic["trading.decisions"] == len(wanted) > 0
    assert by_topic["trading.orders"] == 0
    found = await asyncio.to_thread(trading.json, "eos-verify", status=1)
    assert {check["name"] for check in found["checks"] if check["violations"]} == {"decisions_are_made_once"}


def test_what_is_looked_at(settings: Settings, trading: Trading) -> None:
    regions = Regions({name: region.localities for name, region in settings.regions.items()})
    orders, events = trading.json("orders", "--limit", "3"), trading.json("outbox", "--limit", "3")
    assert (len(orders["orders"]), len(events)) == (3, 3)
    first = orders["orders"][0]
    assert regions.of(locality_of_symbol(first["symbol"])) == first["region"]
    assert "FILLED" in trading.run("orders")
    assert "OrderCreated" in trading.run("outbox", "--region", first["region"])
    lines = trading.run("tail", "orders", "-n", "2", "--no-follow", "--json").splitlines()
    assert {orjson.loads(line)["headers"]["event_type"] for line in lines} == {"OrderCreated"}
    assert 1 <= len(trading.run("tail", "signals", "-n", "1", "--no-follow").splitlines()) <= 9


async def test_old_days_go_when_their_events_are_on_the_topic(
    settings: Settings, trading: Trading, databases: Databases
) -> None:
    old, event_id = datetime.now(UTC).date() - timedelta(days=5), uuid4()
    with owner(settings) as connection:
        make_day(connection, old, event_id)
    assert await ensure_days(databases, REGION, 14) == []
    kept_since = datetime.now(UTC) - timedelta(days=6)
    [refused] = prune_region(settings, REGION, 3, set(), kept_since, dry=False)
    assert (refused.result, refused.day) == ("refused", old)
    assert "connector" in refused.why

    async def published() -> bool:
        """the event is on the topic"""
        return any(str(event_id) in str(record.headers) for record in await everything(settings, ORDERS))

    await eventually(published)
    assert "would go" in await asyncio.to_thread(trading.run, "prune", "--dry-run", "--region", REGION)
    [done] = await asyncio.to_thread(trading.json, "prune", "--yes", "--region", REGION)
    assert (done["result"], done["day"]) == ("dropped", str(old))
    assert await asyncio.to_thread(trading.json, "prune", "--yes", "--region", REGION) == []


def owner(settings: Settings) -> psycopg.Connection:
    """A connection of the tables' owner."""
    return psycopg.connect(**connect_arguments(settings.database, settings.regions[REGION].server, "owner"))


def make_day(connection: psycopg.Connection, day: date, event_id: Any) -> None:
    """A day of the outbox in the past, with one event of an order that there is."""
    name = f"app.outbox_{day:%Y%m%d}"
    bounds = f"FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
    connection.execute(f"CREATE TABLE {name} PARTITION OF app.outbox {bounds}".encode())
    order = named("order", str(event_id))
    payload = orjson.dumps({"order_id": str(order), "symbol": "NQ"}).decode()
    connection.execute(
        b"INSERT INTO app.outbox (region, event_id, aggregate_type, aggregate_id, type, payload, occurred_at)"
        b" VALUES (%s, %s, 'order', %s, 'OrderCreated', %s, %s)",
        (REGION, event_id, order, payload, datetime(day.year, day.month, day.day, 12, tzinfo=UTC)),
    )
