"""`traces …` on real databases: tables, JSON, pages, pictures, and errors that say the next step."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings

from .trace_rows import EAST, WEST, Commands, new, session_in, store

pytestmark = pytest.mark.stack


@pytest.fixture
def commands(fresh_settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(fresh_settings, stack, monkeypatch)


async def example(databases: Databases) -> tuple[UUID, UUID, UUID]:
    """A session with an exchange that failed, another that followed from it, and a status; and the two exchanges."""
    session, first, second = session_in(databases, EAST), uuid4(), uuid4()
    key = f'{{"key": "{session}"}}'
    await store(
        databases,
        [
            new(session, 60, "request", first, payload=key),
            new(session, 58, "status"),
            new(session, 57, "response", first, status="failed", processing_time_ms=3000),
            new(session, 55, "request", second, parent_correlation_id=str(first)),
        ],
    )
    return session, first, second


async def test_a_session_as_table_json_and_pages(fresh_databases: Databases, commands: Commands) -> None:
    session, first, _ = await example(fresh_databases)
    text = await commands.run("session", str(session))
    assert f"Session {session} in {EAST}: 4 events in 5.00 s" in text
    [row] = [line for line in text.splitlines() if "response" in line]
    assert {"failed", "3,000 ms", "+3.000 s", str(first)} <= set(row.replace("  ", "|").split("|")) | set(row.split())
    page = await commands.json("session", str(session), "--limit", "3")
    assert (page["total"], len(page["page"]["events"])) == (4, 3)
    rest = await commands.json("session", str(session), "--after", page["page"]["next"])
    assert [event["event_type"] for event in rest["page"]["events"]] == ["request"]
    assert rest["page"]["next"] is None
    text = await commands.run("session", str(session), "--limit", "3")
    assert f"--after {page['page']['next']}" in text


async def test_a_session_as_picture(fresh_databases: Databases, commands: Commands, tmp_path: Path) -> None:
    session, *_ = await example(fresh_databases)
    text = await commands.run("session", str(session), "--waterfall", "--svg", str(tmp_path / "x.svg"))
    assert "▚" in text
    assert "no answer" in text
    assert f"x.svg: 2 exchanges of session {session}" in text
    assert ElementTree.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")
    text = await commands.run("session", str(session), "--svg", str(tmp_path / "no" / "x.svg"), status=1)
    assert "No such file or directory; choose another file" in text
    assert "leave --json and --after out" in await commands.run(
        "session", str(session), "--waterfall", "--json", status=2
    )


async def test_metrics(fresh_databases: Databases, commands: Commands) -> None:
    session, *_ = await example(fresh_databases)
    text = await commands.run("metrics", str(session))
    assert f"Session {session} in {EAST}: 4 events of 2 exchanges in 5.00 s, 1 failed" in text
    assert "success 0.0%" in text
    assert "SLOW (medium) omninode_codegen_response_analyze_v1: 3.00 s on average over 1 events" in text
    found = await commands.json("metrics", str(session))
    assert found["latency"]["p95"] == 3000
    assert found["duration_ms"] == pytest.approx(5000, abs=100)


async def test_a_correlation(fresh_databases: Databases, commands: Commands) -> None:
    _, first, second = await example(fresh_databases)
    text = await commands.run("correlation", str(first))
    assert f"{first}: 2 exchanges" in text
    assert [line.split()[0] for line in text.splitlines() if str(second) in line] == ["+1"]
    found = await commands.json("correlation", str(second))
    assert [part["hop"] for part in found["exchanges"]] == [-1, 0]
    assert "There is more of it" in await commands.run("correlation", str(second), "--hops", "0")


async def test_search_topics_and_sessions(fresh_databases: Databases, commands: Commands) -> None:
    session, *_ = await example(fresh_databases)
    key = f'{{"key": "{session}"}}'
    found = await commands.json("search", "--payload", key, "--since", "1h")
    assert [event["session_id"] for event in found["events"]] == [str(session)]
    assert str(session) in await commands.run("search", "--payload", key)
    assert "no event holds that" in await commands.run("search", "--payload", key, "--until", "1h")
    topics = await commands.json("slow-topics")
    assert "omninode_codegen_response_analyze_v1" in {topic["topic"] for topic in topics}
    assert "Topics of the last 24 hours" in await commands.run("slow-topics")
    await store(fresh_databases, [new(session_in(fresh_databases, WEST), -60)])
    page = await commands.json("sessions", "--limit", "1")
    assert page["sessions"][0]["region"] == WEST
    assert str(session) in await commands.run("sessions", "--after", page["next"])


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("session", "42"), 2, "'42' is not a valid UUID"),
        (("session", str(UUID(int=42))), 1, "look further back with --hours"),
        (("session", str(UUID(int=42)), "--limit", "0"), 2, "1<=x<=10000"),
        (("session", str(UUID(int=42)), "--hours", "0"), 2, "0<x<=87600"),
        (("session", str(UUID(int=42)), "--after", "x"), 2, "after='x' is no cursor of this call"),
        (("metrics", str(UUID(int=42))), 1, "list sessions with `traces sessions`"),
        (("correlation", str(UUID(int=42))), 1, "no region has events of"),
        (("search",), 2, "name what events hold"),
        (("search", "--payload", "{"), 2, "expected an object"),
        (("search", "--payload", "[]"), 2, "expected an object with at least one field"),
        (("search", "--payload", '{"a": 1}', "--since", "soon"), 2, "or a span, such as 2h"),
        (("search", "--payload", '{"a": 1}', "--since", "9999999999999d"), 2, "or a span, such as 2h"),
    ],
)
async def test_errors_say_the_next_step(commands: Commands, words: tuple[str, ...], status: int, expected: str) -> None:
    text = await commands.run(*words, status=status)
    assert expected in " ".join(text.split())
    assert "Traceback" not in text


async def test_a_region_that_is_down(
    fresh_databases: Databases, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMS_REGIONS__us-west__READONLY_POOLER", "127.0.0.1:1")
    monkeypatch.setenv("STREAMS_DATABASE__POOL_TIMEOUT", "0.5")
    assert f"region {WEST}: no connection" in await commands.run("slow-topics", status=1)
