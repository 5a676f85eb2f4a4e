"""The event that a request's end is: published with its last step. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from streams_app.delivery.events import Event
from streams_app.systems.requests.model import Decision
from streams_app.topics import REQUEST_OUTCOMES


def outcomes(decisions: Iterable[Decision]) -> list[Event]:
    """The events of those decisions that end their request, keyed by the request; its id follows from the request, so
    that it ends once."""
    return [_outcome(decision) for decision in decisions if not decision.transition.status.is_open]


def _outcome(decision: Decision) -> Event:
    step = decision.transition
    request_id = str(step.request_id)
    return Event(
        topic=REQUEST_OUTCOMES.name,
        event_type=f"REQUEST_{step.status.name}",
        event_id=f"request-ended-{request_id}",
        key=request_id,
        correlation_id=request_id,
        payload={
            "request_id": request_id,
            "locality": step.locality,
            "status_id": int(step.status),
            "seq_num": step.expected_seq + 1,
            "ended_at": step.event_ts.isoformat(),
            "reason": step.metadata.get("reason"),
        },
    )
