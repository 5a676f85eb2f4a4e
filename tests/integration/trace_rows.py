"""Events written past the topics, and `traces` run in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.trace_store.commands import traces_group
from streams_app.systems.trace_store.model import EventStatus, EventType, NewEvent
from streams_app.systems.trace_store.store import TraceWriter

EAST, WEST, CENTRAL = "us-east", "us-west", "us-central"
STATUS = {
    EventType.REQUEST: EventStatus.SENT,
    EventType.RESPONSE: EventStatus.COMPLETED,
    EventType.STATUS: EventStatus.PROCESSING,
    EventType.ERROR: EventStatus.FAILED,
}


def session_in(databases: Databases, region: str) -> UUID:
    """A new session that lives in a region."""
    return next(found for _ in count() if databases.regions.of_account(found := uuid4()) == region)


def new(session: UUID, ago: float = 60, kind: str = "request", exchange: UUID | None = None, **cells: Any) -> NewEvent:
    """An event of `ago` seconds ago."""
    name = {"response": "response_analyze", "status": "status_session", "error": "dlq_analyze"}
    event = {
        "event_id": str(uuid4()),
        "session_id": str(session),
        "correlation_id": None if exchange is None else str(exchange),
        "parent_correlation_id": None,
        "event_type": EventType(kind),
        "topic": f"omninode_codegen_{name.get(kind, 'request_analyze')}_v1",
        "timestamp": (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(),
        "status": STATUS[EventType(kind)],
        "processing_time_ms": None,
        "payload": "{}",
        "metadata": "{}",
    }
    return NewEvent(**event | cells)


async def store(databases: Databases, events: Sequence[NewEvent]) -> None:
    """Write events, each in the region of its session, and bring the figures of sessions up to date."""
    writer = TraceWriter(databases)
    parts: dict[str, list[NewEvent]] = {}
    for event in events:
        parts.setdefault(databases.regions.of_account(UUID(event.session_id)), []).append(event)
    for region, part in parts.items():
        await writer.add(region, part)
        await writer.refresh(region)


class Commands:
    """`traces …` on the fresh databases of a test."""

    def __init__(self, settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMS_CONFIG", str(stack.config_path))
        monkeypatch.setenv("STREAMS_DATABASE__NAME", settings.database.name)

    async def run(self, *words: str, status: int = 0) -> str:
        """What the command prints."""

        def call() -> Result:
            return CliRunner().invoke(traces_group, words)

        result = await asyncio.to_thread(call)
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result.output

    async def json(self, *words: str) -> Any:
        return json.loads(await self.run(*words, "--json"))
