"""Events of a session, as the store gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from streams_app.systems.trace_store.model import EventStatus, EventType, StoredEvent

SESSION = UUID(int=1)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(after: float, kind: str = "request", exchange: int | None = 1, **more: Any) -> StoredEvent:
    """An event so many milliseconds after the session began."""
    action = {"request": "request_analyze", "response": "response_analyze", "error": "dlq_analyze"}
    cells: dict[str, Any] = {
        "event_id": UUID(int=int(after * 1000) + 7),
        "session_id": SESSION,
        "correlation_id": None if exchange is None else UUID(int=exchange),
        "parent_correlation_id": None,
        "event_type": EventType(kind),
        "topic": f"omninode_codegen_{action.get(kind, 'status_session')}_v1",
        "timestamp": BEGAN + timedelta(milliseconds=after),
        "status": EventStatus.FAILED if kind == "error" else EventStatus.COMPLETED,
        "processing_time_ms": None,
        "payload": {},
        "metadata": {},
    }
    return StoredEvent(**{**cells, **more})
