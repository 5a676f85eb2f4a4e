"""`tracking status`, `failed`, `show` and `trace` on real databases, and the gauges that workers keep."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.tracking.figures import refresh

from .tracking_rows import Commands, clear, consume, insert, produce

pytestmark = pytest.mark.stack
EAST, WEST = "us-east", "us-west"


@pytest.fixture
def commands(fresh_settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(fresh_settings, stack, monkeypatch)


@pytest.fixture(autouse=True)
async def empty(fresh_databases: Databases, fresh_settings: Settings, stack: Stack) -> None:
    await clear(fresh_databases, fresh_settings, stack)


async def test_status_counts_by_region_side_and_service(fresh_databases: Databases, commands: Commands) -> None:
    quiet = await commands.json("status")
    assert quiet["alerts"] == []
    assert quiet["regions"]["all"]["backlog"]["days_ahead"] >= 13
    for number in range(9):
        await produce(fresh_databases, EAST, f"p-{number}", status="PUBLISHED", took=0.2, retry_count=number // 8)
    await produce(fresh_databases, EAST, "bad", status="FAILED", error_message="too large", retry_count=3)
    await produce(fresh_databases, WEST, "waits", since=100)
    await produce(fresh_databases, WEST, "old", since=3600, status="PUBLISHED")
    await consume(fresh_databases, WEST, "p-0", status="PROCESSED", took=0.5)
    await consume(fresh_databases, WEST, "p-1", status="PROCESSING")
    found = await commands.json("status", "--window", "10m", status=1)
    east, west, both = (found["regions"][name] for name in (EAST, WEST, "all"))
    assert east["backlog"]["counts"]["produced"] == {"FAILED": 1}
    assert (east["produced"]["events"], east["produced"]["done"], east["produced"]["failed"]) == (10, 9, 1)
    assert (east["produced"]["done_per_minute"], east["produced"]["failed_per_minute"]) == (0.9, 0.1)
    assert east["produced"]["average_ms"] == 200
    assert east["produced"]["p99_ms"] == pytest.approx(200, rel=0.06)
    assert east["produced"]["retry_rate"] == 0.2
    assert west["produced"]["events"] == 1, "an event of an hour ago is not in the window"
    assert west["backlog"]["oldest_seconds"] == pytest.approx(100, abs=60)
    assert west["consumed"]["average_ms"] == 500
    assert both["backlog"]["counts"]["consumed"] == {"PROCESSING": 1}
    assert both["produced"]["events"] == 11
    rates = {(row["service"], row["side"]): row["error_rate"] for row in found["services"]}
    assert rates == {("orders", "produced"): 0.1, ("payments", "consumed"): 0.0}
    names = {(alert["region"], alert["name"]) for alert in found["alerts"]}
    assert names == {(EAST, "failure_rate"), (EAST, "retry_rate"), (WEST, "oldest_pending")}
    text = await commands.run("status", status=1)
    assert f"ALERT {WEST}: oldest_pending" in text
    assert "see that workers run" in text


async def test_a_region_that_does_not_answer_hides_no_other(
    fresh_databases: Databases, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    await produce(fresh_databases, EAST, "waits")
    # Nobody listens there.
    monkeypatch.setenv("STREAMS_REGIONS__us-west__READONLY_POOLER", "127.0.0.1:1")
    monkeypatch.setenv("STREAMS_DATABASE__POOL_TIMEOUT", "1")
    found = await commands.json("status", status=1)
    assert [(alert["region"], alert["name"]) for alert in found["alerts"]] == [(WEST, "no_answer")]
    assert found["regions"][WEST] == {"backlog": None}
    assert found["regions"]["all"]["backlog"]["counts"]["produced"] == {"PENDING": 1}


async def test_failed_events_are_listed_newest_first(fresh_databases: Databases, commands: Commands) -> None:
    failed = {"status": "FAILED", "error_message": "refused\nand more"}
    await produce(fresh_databases, EAST, "out-1", since=300, **failed)
    await produce(fresh_databases, WEST, "out-2", since=200, topic="trades", **failed)
    await consume(fresh_databases, WEST, "in-1", since=100, **failed)
    await produce(fresh_databases, EAST, "fine", status="PUBLISHED")

    async def ids(*words: str) -> list[str]:
        return [row["event_id"] for row in await commands.json("failed", *words)]

    assert await ids() == ["in-1", "out-2", "out-1"]
    assert await ids("--limit", "1") == ["in-1"]
    assert await ids("--side", "produced") == ["out-2", "out-1"]
    assert await ids("--topic", "trades") == ["out-2"]
    assert await ids("--service", "payments") == ["in-1"]
    assert await ids("--since", "250s") == ["in-1", "out-2"]
    text = await commands.run("failed")
    assert "out-1" in text
    assert "and more" not in text


async def test_show_tells_all_of_an_event_on_both_sides(fresh_databases: Databases, commands: Commands) -> None:
    key = {"event_id": "e", "digest": "d1"}
    await insert(fresh_databases, EAST, "event_production_key", key)
    await produce(fresh_databases, EAST, "e", status="PUBLISHED")
    await insert(fresh_databases, WEST, "event_consumption_key", key | {"consumer_group": "payments"})
    metadata = '{"conflicts": [{"digest": "d2", "offset": 7}]}'
    trouble = {"status": "FAILED", "error_message": "no", "error_stack_trace": "Traceback [line 1]"}
    await consume(fresh_databases, WEST, "e", metadata=metadata, **trouble)
    found = await commands.json("show", "e")
    assert [row["digest"] for row in found["production_keys"] + found["consumption_keys"]] == ["d1", "d1"]
    assert [row["status"] for row in found["productions"] + found["consumptions"]] == ["PUBLISHED", "FAILED"]
    assert found["consumptions"][0]["metadata"] == {"conflicts": [{"digest": "d2", "offset": 7}]}
    text = await commands.run("show", "e")
    assert all(word in text for word in ("Traceback [line 1]", '"amount": 1.1', "conflicts", "d2", "PUBLISHED"))
    assert "no log of us-east, us-central, us-west has" in await commands.run("show", "unknown", status=1)


async def test_a_trace_joins_regions_and_services(fresh_databases: Databases, commands: Commands) -> None:
    together = {"correlation_id": "c-1"}
    await produce(fresh_databases, EAST, "1", since=10, status="PUBLISHED", **together)
    await consume(fresh_databases, WEST, "1", since=9, status="PROCESSED", took=0.5, **together)
    await produce(
        fresh_databases, WEST, "2", since=8.6, status="PUBLISHED", service_name="payments", topic="paid", **together
    )
    await consume(fresh_databases, EAST, "2", since=8, topic="paid", service_name="mails", **together)
    await consume(fresh_databases, EAST, "other", correlation_id="c-2")
    steps = (await commands.json("trace", "c-1"))["steps"]
    assert [(step["event_id"], step["service_name"], step["depth"], step["follows"]) for step in steps] == [
        ("1", "orders", 0, None),
        ("1", "payments", 1, 1),
        ("2", "payments", 2, 2),
        ("2", "mails", 3, 3),
    ]
    text = await commands.run("trace", "c-1")
    assert "orders → orders[0]@0" in text
    assert "      → mails/payments from paid[0]@0" in text
    assert "has events of c-9" in await commands.run("trace", "c-9", status=1)


async def test_the_gauges_are_what_the_database_says(fresh_databases: Databases, fresh_settings: Settings) -> None:
    def gauge(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"streams_tracking_{name}", {"region": WEST, **labels})

    await produce(fresh_databases, WEST, "waits", since=100)
    await consume(fresh_databases, WEST, "bad", status="FAILED", error_message="no")
    await refresh(fresh_databases, WEST, fresh_settings.tracking)
    assert gauge("backlog", side="produced", status="PENDING") == 1
    assert gauge("backlog", side="consumed", status="FAILED") == 1
    assert gauge("backlog", side="consumed", status="RECEIVED") == 0
    assert gauge("oldest_pending_seconds") == pytest.approx(100, abs=60)
    assert (gauge("days_ahead") or 0) >= 13
    assert (gauge("alert", alert="oldest_pending"), gauge("alert", alert="backlog")) == (1, 0)
    assert REGISTRY.get_sample_value("streams_tracking_limit", {"alert": "backlog"}) == 10_000
    async with fresh_databases.connection(WEST) as connection:
        await connection.execute(
            "UPDATE event_production_log SET status = 'FAILED', error_message = 'no' WHERE region = %s", (WEST,)
        )
    await refresh(fresh_databases, WEST, fresh_settings.tracking)
    assert gauge("backlog", side="produced", status="PENDING") == 0
    assert gauge("oldest_pending_seconds") == 0
    assert gauge("alert", alert="oldest_pending") == 0
