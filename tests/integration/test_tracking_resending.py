"""`tracking retry`, `reprocess` and `replay` on real databases; the records go to a sender that remembers them."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.tracking import resend_commands, resending, retries
from streams_app.systems.tracking.ports import Refused

from .tracking_rows import Commands, FakeSender, ago, clear, consume, produce

pytestmark = pytest.mark.stack
EAST, WEST = "us-east", "us-west"
FAILED = {"status": "FAILED", "error_message": "refused", "retry_count": 3}


@pytest.fixture
def commands(fresh_settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(fresh_settings, stack, monkeypatch)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> FakeSender:
    made = FakeSender()
    made.install(monkeypatch)
    return made


@pytest.fixture(autouse=True)
async def empty(fresh_databases: Databases, fresh_settings: Settings, stack: Stack) -> None:
    await clear(fresh_databases, fresh_settings, stack)


async def states(databases: Databases) -> dict[str, tuple[Any, ...]]:
    """Status, tries and next attempt of each event that was produced, by its id."""
    found = {}
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            cursor = await connection.execute(
                "SELECT event_id, status, retry_count, next_attempt_at FROM event_production_log WHERE region = %s",
                (region,),
            )
            found |= {row[0]: row[1:] for row in await cursor.fetchall()}
    return found


async def test_retry_makes_failed_events_pending(
    fresh_databases: Databases, commands: Commands, sender: FakeSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PAGE", 2)  # several pages
    for number in range(5):
        await produce(fresh_databases, EAST, f"e-{number}", since=100 + number, **FAILED, next_attempt_at=ago(0))
    await produce(fresh_databases, WEST, "w", topic="trades", **FAILED)
    await produce(fresh_databases, WEST, "done", status="PUBLISHED", retry_count=1)
    await produce(fresh_databases, WEST, "held", status="PUBLISHING", retry_count=2)
    before = await states(fresh_databases)
    assert await commands.json("retry", "--all", "--dry-run") == {"dry_run": True, "produced": 6, "consumed": 0}
    await commands.run("retry", "--all", answer="n\n", status=1)
    assert await states(fresh_databases) == before
    found = await commands.json("retry", "e-1", "done", "--yes")
    assert found["pending_again"] == {EAST: 1, "us-central": 0, WEST: 0}
    assert await states(fresh_databases) == before | {"e-1": ("PENDING", 0, None)}
    text = await commands.run("retry", "--topic", "orders", "--yes")
    assert f"{EAST}: 4 events are PENDING again" in text
    after = await states(fresh_databases)
    assert {after[f"e-{number}"] for number in range(5)} == {("PENDING", 0, None)}
    assert {name: after[name] for name in ("w", "done", "held")} == {n: before[n] for n in ("w", "done", "held")}
    assert sender.sent == []


async def test_what_is_on_its_way_meanwhile_is_not_tried_again(fresh_databases: Databases) -> None:
    made = ago(100)
    await produce(fresh_databases, EAST, "e", created_at=made, status="PUBLISHING", retry_count=2)
    await produce(fresh_databases, EAST, "f", created_at=made, **FAILED)
    # As after a page that was read before a relay took the first of them.
    assert await retries._retry(fresh_databases, EAST, [("e", made), ("f", made)]) == 1
    assert await states(fresh_databases) == {"e": ("PUBLISHING", 2, None), "f": ("PENDING", 0, None)}


async def test_retry_wants_to_know_which(commands: Commands) -> None:
    assert "say which" in await commands.run("retry", status=2)
    assert "add --yes" in await commands.run("retry", "--all", "--json", status=2)


async def test_retry_sends_failed_consumption_to_its_topic(
    fresh_databases: Databases, commands: Commands, sender: FakeSender
) -> None:
    await produce(fresh_databases, EAST, "out", **FAILED)
    await consume(fresh_databases, EAST, "in", offset=7, **FAILED)
    await consume(fresh_databases, EAST, "fine", offset=8, status="PROCESSED")
    found = await commands.json("retry", "--all", "--side", "consumed", "--yes")
    assert (found["sent"], found["pending_again"]) == (1, {})
    assert sender.ids == ["in"]
    assert (await states(fresh_databases))["out"][0] == "FAILED"


async def test_reprocess_sends_the_events_that_are_named_or_fit(
    fresh_databases: Databases, commands: Commands, sender: FakeSender
) -> None:
    await produce(fresh_databases, WEST, "a", since=11, status="PUBLISHED", service_name="shop")
    # Just over a day ago: the log of a new database begins with yesterday.
    await consume(fresh_databases, EAST, "old", since=86_405, offset=1, status="PROCESSED")
    await consume(fresh_databases, EAST, "a", offset=3, status="PROCESSED", correlation_id="c")
    await consume(fresh_databases, EAST, "b", offset=4, consumer_group="mails", **FAILED)
    text = await commands.run("reprocess", "old", "a", "--yes")
    assert "no new effect" in text
    assert sender.ids == ["old", "a"]
    record = sender.sent[1]
    assert (record.topic, record.key, record.value) == ("orders", b"k", b'{"amount": 1.10}')
    assert dict(record.headers) == {
        "event_id": b"a",
        "event_type": b"made",
        "correlation_id": b"c",
        "service": b"shop",
        "replayed_from": b"orders-0-3",
    }
    sender.sent.clear()
    await commands.run("reprocess", "--group", "mails", "--yes")
    await commands.run("reprocess", "--status", "processed", "--yes")
    assert sender.ids == ["b", "a"], "without --from, those of the last day"
    assert "say which" in await commands.run("reprocess", status=2)


async def test_replay_keeps_order_over_pages_and_regions(
    fresh_databases: Databases, commands: Commands, sender: FakeSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "PAGE", 3)
    begin, end = ago(3000).isoformat(), ago(1000).isoformat()
    for number in range(20):
        region = (EAST, WEST)[number % 3 % 2]
        await consume(
            fresh_databases,
            region,
            f"e-{number}",
            since=2000 - number,
            offset=100 + number // 2,
            partition_number=number % 2,
            status="PROCESSED",
        )
    await consume(fresh_databases, EAST, "e-0", since=2000, offset=100, consumer_group="mails")
    await consume(fresh_databases, EAST, "early", since=3100, offset=99)
    await consume(fresh_databases, EAST, "late", since=900, offset=500)
    await consume(fresh_databases, EAST, "other", since=2000, offset=103, topic="other")
    words = ("replay", "--topic", "orders", "--from", begin, "--to", end)
    assert await commands.json(*words, "--dry-run") == {"dry_run": True, "events": 20}
    assert sender.sent == []
    found = await commands.json(*words, "--into", "again", "--yes")
    assert found == {"sent": 20, "refused": {}, "stopped_at": None}
    assert sender.ids == [f"e-{number}" for number in (*range(0, 20, 2), *range(1, 20, 2))]
    assert {record.topic for record in sender.sent} == {"again"}
    sender.sent.clear()
    await commands.run(*words, "--group", "mails", "--yes")
    assert sender.ids == ["e-0"]
    assert "--from is too long ago" in await commands.run(*words[:3], "--from", "1970-01-01", "--to", end, status=2)
    assert "--to is not after --from" in await commands.run(*words[:3], "--from", end, "--to", begin, status=2)


async def test_a_broker_that_may_take_it_later_stops_a_replay(
    fresh_databases: Databases, commands: Commands, sender: FakeSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "PAGE", 2)
    for offset, key in enumerate(("a", "big", "b", "busy", "c")):
        await consume(fresh_databases, EAST, f"e-{offset}", offset=offset, event_key=key)
    sender.refused = {b"big": Refused("too large", permanent=True), b"busy": Refused("no leader", permanent=False)}
    text = await commands.run("replay", "--topic", "orders", "--from", "1h", "--to", "0s", "--yes", status=1)
    assert sender.ids == ["e-0", "e-2"], "what comes after the refusal is not sent"
    assert "1 refused: too large" in text
    assert "stopped at orders-0-3: run the command again" in text


async def test_without_a_sender_the_next_step_is_said(
    fresh_databases: Databases, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resend_commands, "sender_factory", None)
    await consume(fresh_databases, EAST, "e")
    assert "faust -A streams_app" in await commands.run("reprocess", "e", "--yes", status=1)
