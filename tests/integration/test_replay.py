"""Replays on real parts: refused while a worker runs, harmless afterwards; a shadow run tells what would differ."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.local import Stack
from deploy.local.scraped import total_of
from streams_app.commands.replay import replay_command
from streams_app.delivery.replays import Move
from streams_app.errors import StartError
from streams_app.kafka.group import ConsumerGroup
from streams_app.kafka.reading import reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.systems.requests import checks, rules
from streams_app.topics import REQUEST_STATUS
from tests.fix_stack import APPLICATION_SETTINGS, Application, Workers, eventually
from tests.integration.data import log_rows
from tests.integration.test_workers import ALL_PARTITIONS, ended, generate

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _configured(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process find the stack, and have the workers' settings."""
    for name, value in {"STREAMS_CONFIG": str(stack.config_path), **APPLICATION_SETTINGS}.items():
        monkeypatch.setenv(name, value)


async def replay(*arguments: str, status: int = 0) -> str:
    """Run `replay …`; returns what it prints."""
    result = await asyncio.to_thread(CliRunner().invoke, replay_command, arguments)
    assert result.exit_code == status, f"{arguments}: {result.exit_code}\n{result.output}\n{result.exception!r}"
    return result.output


async def test_replay(
    settings: Settings,
    databases: Any,
    application: Application,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [worker] = workers.start()
    worker.await_ready(partitions=ALL_PARTITIONS)
    begin = datetime.now(UTC).isoformat()
    await ended(generate(application, "replayed", 60))
    refused = await replay("--to-earliest", "--yes", status=1)
    assert "active: 1 members" in refused
    assert "Stop all workers" in refused
    # A worker that joins between the check and the move: the broker refuses.
    with pytest.raises(StartError, match="nothing was moved"):
        await ConsumerGroup(settings).move([Move(REQUEST_STATUS.name, 0, 1, 0)])
    worker.stop()
    before = await log_rows(databases)

    await check_shadow(begin, monkeypatch)
    await check_places(settings)

    text = await asyncio.to_thread(application.run, "replay", "--to-earliest", "--yes")
    assert "start the workers" in text
    assert "nothing to move" in await replay("--by-duration", "1h", "--yes")
    [again] = workers.start()
    again.await_ready(partitions=ALL_PARTITIONS)

    async def caught_up() -> bool:
        """the replay is at its end"""
        return again.health().get("lag") == 0 and total_of(again.metrics(), "streams_records_total") > 60

    await eventually(caught_up, 60)
    assert await log_rows(databases) == before
    assert total_of(again.metrics(), "streams_effects_total") == 0


async def check_shadow(begin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules decide the same; other rules are told apart, step by step."""
    found = json.loads(await replay("--to-datetime", begin, "--shadow", "--json"))
    assert found["verdict"] == "no difference", found
    assert found["requests"] >= 60
    assert found["same"] > 200
    assert found["not_comparable"] == 0

    with monkeypatch.context() as changed:
        changed.setattr(rules, "APPROVAL_LIMIT", -1)
        found = json.loads(await replay("--to-datetime", begin, "--shadow", "--json", status=1))
    assert {step["step"] for step in found["steps"]} == {"review"}
    assert all("clear" in step["recorded"] and "escalate" in step["decided"] for step in found["steps"])

    with monkeypatch.context() as changed:
        changed.setitem(checks.CHECKS, 2, lambda context, account: "closed_for_today")
        assert "would be" in await replay("--to-datetime", begin, "--shadow", status=1)


async def check_places(settings: Settings) -> None:
    """Offsets and times lead to the places they name; what is outside the log is refused."""
    async with reader(settings.broker_url) as consumer:
        whole = await whole_topics(consumer, {REQUEST_STATUS.name: settings.topic_partitions})
        place, (low, high) = max(whole.items(), key=lambda item: item[1][1] - item[1][0])
        records = [record async for record in records_between(consumer, {place: (low, high)})]
    chosen = "--topic", place.topic, "--partitions", str(place.partition), "--yes", "--json"
    outside = await replay("--to-offset", str(high + 5), *chosen, status=1)
    assert f"which has {low} to {high}" in outside
    middle = records[len(records) // 2].timestamp
    first = next(record.offset for record in records if record.timestamp >= middle)
    time = datetime.fromtimestamp(middle / 1000, UTC).isoformat()
    [moved] = json.loads(await replay("--to-datetime", time, *chosen))
    assert (moved["from"] <= high, moved["to"]) == (True, first)
    [moved] = json.loads(await replay("--to-offset", str(low), *chosen))
    assert (moved["from"], moved["to"], moved["records"]) == (first, low, first - low)
    assert "would skip" in await replay("--to-offset", str(first), *chosen, status=1)
    assert "partitions 0 to 23" in await replay("--to-earliest", "--partitions", "99", "--yes", status=1)
    assert "give one of" in await replay("--yes", status=2)
