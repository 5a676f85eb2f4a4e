"""Events of code generation for tests: one valid message of each kind, as a producer would send it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetter
from streams_app.settings import Settings
from streams_app.systems.trace_store.agents import TraceHandler
from streams_app.systems.trace_store.schemas import STATUS_TOPIC, dead_letter_topic, request_topic, response_topic
from streams_app.systems.trace_store.store import TraceWriter

#: What is said beside ids, time and version, by topic: all thirteen.
BODIES: dict[str, dict[str, Any]] = {
    request_topic("analyze"): {"prd_content": "a document", "analysis_type": "full"},
    request_topic("validate"): {"code_content": "pass", "node_type": "effect"},
    request_topic("pattern"): {"node_description": "reads a topic", "node_type": "effect", "limit": 3},
    request_topic("mixin"): {"requirements": ["retry", "metrics"], "node_type": "effect"},
    response_topic("analyze"): {"analysis_result": {"nodes": 3}, "confidence": 0.9, "processing_time_ms": 1200},
    response_topic("validate"): {"validation_result": {}, "is_valid": True, "processing_time_ms": 300},
    response_topic("pattern"): {"pattern_result": [{"name": "p"}], "total_matches": 1, "processing_time_ms": 80},
    response_topic("mixin"): {"mixin_recommendations": [], "total_recommendations": 0, "processing_time_ms": 40},
    STATUS_TOPIC: {"status": "processing", "progress_percentage": 50.0, "message": "half"},
    **{dead_letter_topic(action): {"error": "gave up"} for action in ("analyze", "validate", "pattern", "mixin")},
}


def message(topic: str, session: str | None = None, **more: Any) -> dict[str, Any]:
    """A valid event of a topic, a moment ago; None removes a field."""
    base = {
        "session_id": session or str(uuid4()),
        "correlation_id": str(uuid4()),
        "timestamp": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(),
        "schema_version": "1.0",
    }
    return {name: value for name, value in (base | BODIES[topic] | more).items() if value is not None}


def record(topic: str, value: Any, offset: int = 0, headers: Sequence[tuple[str, bytes]] = ()) -> Record:
    """A consumed message; what is not bytes is sent as JSON."""
    raw = value if isinstance(value, bytes | None) else orjson.dumps(value)
    return Record(topic, 0, offset, b"k", raw, tuple(headers))


class Letters:
    """Dead letters, kept."""

    def __init__(self) -> None:
        self.sent: list[DeadLetter] = []

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        self.sent += letters


class Ingest:
    """The system without Kafka: records go straight to the delivery core."""

    def __init__(self, databases: Databases, settings: Settings) -> None:
        self.letters = Letters()
        self.writer = TraceWriter(databases)
        handler = TraceHandler(self.writer, databases, settings.trace_store)
        self._processor = BatchProcessor(handler, NoVersions(), self.letters)

    async def take(self, records: Sequence[Record]) -> None:
        """One batch."""
        await self._processor.process(self._processor.decode(records))


async def rows(databases: Databases, sql: str, **arguments: Any) -> list[tuple[Any, ...]]:
    """The answers of all regions to a statement."""
    found: list[tuple[Any, ...]] = []
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            cursor = await connection.execute(sql.encode(), {"region": region, **arguments})
            found += await cursor.fetchall()
    return found
