"""Dead letters on real topics: looked at, corrected, sent again in order, given up; every step is in the trail."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from deploy.local import Stack
from streams_app.changefeed import Record
from streams_app.commands.dead_letters import dead_letters_group
from streams_app.databases import Databases
from streams_app.delivery.audits import Action, Audit
from streams_app.delivery.letters import Case, letter_of
from streams_app.delivery.ports import DeadLetter
from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.dead_letters import dead_letter_headers
from streams_app.kafka.letter_store import LetterWriter
from streams_app.settings import Settings
from streams_app.systems.requests.model import RequestType
from streams_app.systems.requests.store import RequestKey
from streams_app.topics import NEW_REQUESTS, REQUEST_STATUS
from tests.fix_stack import Application, Workers, eventually
from tests.integration.data import head, insert_request

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _configured(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process find the stack."""
    monkeypatch.setenv("STREAMS_CONFIG", str(stack.config_path))


async def dead_letters(*arguments: str, status: int = 0, **options: Any) -> str:
    """Run `dead-letters …`; returns what it prints."""
    result = await asyncio.to_thread(CliRunner().invoke, dead_letters_group, arguments, **options)
    assert result.exit_code == status, f"{arguments}: {result.exit_code}\n{result.output}\n{result.exception!r}"
    return result.output


async def listed(*arguments: str) -> list[dict[str, Any]]:
    """The letters that `list` finds."""
    found: list[dict[str, Any]] = json.loads(await dead_letters("list", "--json", *arguments))
    return found


async def poison(settings: Settings, topic: str, key: str, *values: bytes) -> list[str]:
    """Send values under one key, and wait until each is a dead letter; returns the letters' ids."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer:
        headers = [("trace", b"\x01\xff"), ("null", None), ("dead-letter-topic", b"forged")]
        places = [await producer.send_and_wait(topic, value, key.encode(), headers=headers) for value in values]
    ids = [f"{place.topic}-{place.partition}-{place.offset}" for place in places]

    async def buried() -> bool:
        """all are dead letters"""
        return [letter["id"] for letter in await listed("--key", key)] == ids

    await eventually(buried)
    return ids


def new_request(key: RequestKey) -> bytes:
    """The record of a new request, as its changefeed sends it."""
    row = {
        "request_id": str(key.request_id),
        "locality": key.locality,
        "request_type_id": RequestType.ACCOUNT_PROFILE_UPDATE,
        "request_status_id": 1,
    }
    source = {"connector": "postgresql", "name": "us-east", "table": "request_info", "lsn": 1, "ts_ms": 1}
    return orjson.dumps({"before": None, "after": row, "op": "c", "source": source, "ts_ms": 1})


@contextmanager
def changefeeds_paused(settings: Settings) -> Iterator[None]:
    """No change of a table reaches its topic."""

    def ask(path: str, method: str = "GET") -> Any:
        with urllib.request.urlopen(urllib.request.Request(settings.connect_url + path, method=method)) as answer:
            return json.loads(answer.read() or b"null")

    connectors = ask("/connectors")
    for name in connectors:
        ask(f"/connectors/{name}/pause", "PUT")
    try:
        while any(t["state"] != "PAUSED" for name in connectors for t in ask(f"/connectors/{name}/status")["tasks"]):
            pass
        yield
    finally:
        for name in connectors:
            ask(f"/connectors/{name}/resume", "PUT")


async def test_a_corrected_record_is_redriven_in_order_and_its_request_completes(
    settings: Settings, databases: Databases, application: Application, workers: Workers, tmp_path: Any
) -> None:
    workers.start()[0].await_ready()
    with changefeeds_paused(settings):
        request = await insert_request(databases)
        key = str(request.request_id)
        first, second = await poison(settings, NEW_REQUESTS.name, key, b"\x00 first", b'{"second": 1')
        shown = json.loads(await dead_letters("show", first, "--json"))
        assert (shown["reason"], shown["value"], shown["attempts"]) == ("not_json", "0x00206669727374", 1)
        assert shown["headers"] == [["trace", "0x01ff"], ["null", "(none)"]]
        assert (await dead_letters("show", second, "--raw")) == '{"second": 1'

        assert f"comes after {first}" in await dead_letters("redrive", second, "--yes", status=1)
        corrected = tmp_path / "corrected"
        corrected.write_bytes(new_request(request))
        for letter in (second, first):
            await dead_letters("edit", letter, "--value-file", str(corrected), "--actor", "somebody")
        planned = json.loads(await dead_letters("redrive", "--key", key, "--dry-run", "--json"))
        assert [(row["id"], row["corrected"]) for row in planned] == [(first, True), (second, True)]
        assert [row["state"] for row in await listed("--key", key)] == ["waiting", "waiting"]
        assert await head(databases, request) is None

        # As a user runs it; it asks, and is told no, then yes.
        assert "Aborted" in await dead_letters("redrive", first, second, input="n\n", status=1)
        await asyncio.to_thread(application.run, "dead-letters", "redrive", second, first, "--yes")

        async def begun() -> bool:
            """the redriven record gives the request its first event"""
            return await head(databases, request) is not None

        await eventually(begun)
    trails = [json.loads(await dead_letters("show", letter, "--json"))["trail"] for letter in (first, second)]
    assert [[entry["action"] for entry in trail] for trail in trails] == [["edit", "redrive"]] * 2
    assert trails[0][0]["who"] == "somebody"
    assert trails[0][0]["sha256"] == trails[0][1]["sha256"]
    places = [trail[1]["sent_as"].rsplit("-", 2) for trail in trails]
    origin = first.rsplit("-", 2)
    assert [place[:2] for place in places] == [origin[:2]] * 2
    assert int(origin[2]) < int(places[0][2]) < int(places[1][2])
    assert "is redriven" in await dead_letters("redrive", first, "--yes", status=1)

    async def complete() -> bool:
        """the request completes"""
        found = await head(databases, request)
        return found is not None and found[0] == 3

    await eventually(complete)


async def test_what_dies_again_is_a_new_letter_with_more_attempts_before_later_ones(
    settings: Settings, workers: Workers
) -> None:
    workers.start()[0].await_ready()
    key = str(uuid4())
    first, second = await poison(settings, REQUEST_STATUS.name, key, b"1 1", b"2 2")
    assert "1 sent" in await dead_letters("redrive", first, "--yes")

    async def dead_again() -> list[dict[str, Any]]:
        """the redriven record is a letter again"""
        found = await listed("--key", key, "--state", "waiting")
        return found if len(found) == 2 else []

    again, later = await eventually_found(dead_again)
    assert later["id"] == second
    assert (again["attempts"], later["attempts"]) == (2, 1)
    shown = json.loads(await dead_letters("show", again["id"], "--json"))
    assert shown["redrive_of"] == first
    assert shown["headers"] == [["trace", "0x01ff"], ["null", "(none)"]]
    assert again["id"] in await dead_letters("redrive", second, "--yes", status=1)

    assert "2 dropped" in await dead_letters("drop", again["id"], second, "--reason", "never was a change")
    assert [row["state"] for row in await listed("--key", key)] == ["redriven", "dropped", "dropped"]
    assert "no waiting letter" in await dead_letters("redrive", "--key", key, "--yes")
    assert "is dropped" in await dead_letters("edit", second, "--key", "other", status=1)
    text = await dead_letters("show", second)
    assert "never was a change" in text
    assert "2 2" in text


async def eventually_found(check: Any) -> Any:
    """The first true answer of `check`."""
    found: list[Any] = []

    async def once() -> bool:
        found[:] = await check()
        return bool(found)

    await eventually(once)
    return found


async def test_letters_are_chosen_by_what_they_are(
    settings: Settings, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.start()[0].await_ready()
    key = str(uuid4())
    [bad] = await poison(settings, REQUEST_STATUS.name, key, b"not json")
    row = (await listed("--id", bad))[0]
    assert (row["key"], row["reason"], row["state"], row["corrected"]) == (key, "not_json", "waiting", False)
    assert bad in [r["id"] for r in await listed("--reason", "not_json", "--topic", REQUEST_STATUS.name)]
    assert bad in [r["id"] for r in await listed("--since", row["written"], "--until", "2100-01-01")]
    assert bad not in [r["id"] for r in await listed("--until", row["written"])]
    assert len(await listed("--limit", "1")) == 1
    assert await listed("--reason", "no_such_reason") == []
    assert "dead letters" in await dead_letters("list")
    assert "there is no dead letter x-1-2" in await dead_letters("show", "x-1-2", status=1)
    assert "choose them by" in await dead_letters("redrive", "--yes", status=2)
    assert "ISO 8601" in await dead_letters("list", "--since", "yesterday", status=2)
    assert "give --value-file" in await dead_letters("edit", bad, status=2)
    monkeypatch.setenv("EDITOR", "sed -i s/not/is/")
    await dead_letters("edit", bad, "--editor", "--key", "new key")
    shown = json.loads(await dead_letters("show", bad, "--json"))
    assert (shown["corrected_value"], shown["corrected_key"], shown["value"]) == ("is json", "new key", "not json")
    assert "left the value as it was" in await dead_letters("edit", bad, "--editor", status=1)


async def test_a_second_operator_ends_the_first_one(settings: Settings) -> None:
    entry = Audit("none", Action.DROP, "first", datetime.now(UTC))
    async with LetterWriter(settings, ()) as first, LetterWriter(settings, ()):
        with pytest.raises(StartError, match="somebody else"):
            await first.note([entry])
    assert "none" not in await dead_letters("list", "--id", "none", "--json")


async def test_a_letter_goes_to_no_topic_but_those_that_are_read(settings: Settings) -> None:
    record = Record("streams_app-requests-versions-changelog", 0, 1, b"k", b"v", timestamp=1)
    headers = dead_letter_headers(DeadLetter("requests", record, "forged"))
    letter = letter_of(replace(record, headers=tuple(headers)))
    assert letter is not None
    async with LetterWriter(settings, [NEW_REQUESTS.name]) as writer:
        with pytest.raises(StartError, match="changelog: not a topic"):
            await writer.redrive([Case(letter)], "somebody", lambda sent: None)
