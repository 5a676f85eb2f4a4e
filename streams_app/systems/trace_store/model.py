"""The events of code generation sessions as plain data: what the store keeps, and what the tracer answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID


class EventType(StrEnum):
    """What kind of event it is (seed 002)."""

    REQUEST = "request"
    RESPONSE = "response"
    STATUS = "status"
    ERROR = "error"


class EventStatus(StrEnum):
    """How far what the event tells of has come (seed 002)."""

    SENT = "sent"
    RECEIVED = "received"
    FAILED = "failed"
    PROCESSING = "processing"
    COMPLETED = "completed"


class Severity(StrEnum):
    """How slow a topic is on average: above 5000, 2000 and 1000 ms (seed 002)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class NewEvent(NamedTuple):
    """A row of event_logs to be written, as text: `payload` and `metadata` are JSON, ids are canonical."""

    event_id: str
    session_id: str
    correlation_id: str | None
    parent_correlation_id: str | None
    event_type: EventType
    topic: str
    timestamp: str
    status: EventStatus
    processing_time_ms: int | None
    payload: str
    metadata: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of event_logs. Events of one moment are in the order of their ids."""

    event_id: UUID
    session_id: UUID
    correlation_id: UUID | None
    parent_correlation_id: UUID | None
    event_type: EventType
    topic: str
    timestamp: datetime
    status: EventStatus
    processing_time_ms: int | None
    payload: Any
    metadata: Any


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, and where the next page begins: a cursor for the same call, None at the end."""

    events: list[StoredEvent]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class SessionTrace:
    """The events of a session, oldest first. `duration_ms` is from its first event to its last, in the time asked for,
    whatever page this is; `total` counts those events."""

    session_id: UUID
    region: str
    total: int
    duration_ms: float
    page: Page


@dataclass(frozen=True, slots=True)
class Latency:
    """Processing times in milliseconds, interpolated between events; None where no event has one."""

    events: int
    average: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """The events of one type, or of one topic."""

    name: str
    events: int
    failed: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A topic that is slow on average."""

    topic: str
    average_ms: float
    events: int
    severity: Severity


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """An event on the time axis of its session: `offset_ms` after the first one."""

    offset_ms: float
    event_type: EventType
    topic: str
    status: EventStatus
    correlation_id: UUID | None
    processing_time_ms: int | None


@dataclass(frozen=True, slots=True)
class SessionMetrics:
    """What a session's events say together. `success_rate` is the share of exchanges that ended well, of those that
    ended: None while none has. `timeline` holds its first events, `timeline_cut` says that there are more."""

    session_id: UUID
    region: str
    total: int
    failed: int
    correlations: int
    started: datetime
    ended: datetime
    success_rate: float | None
    latency: Latency
    by_type: list[GroupMetrics]
    by_topic: list[GroupMetrics]
    bottlenecks: list[Bottleneck]
    timeline: list[TimelinePoint]
    timeline_cut: bool = False

    @property
    def duration_ms(self) -> float:
        """From the first event to the last."""
        return (self.ended - self.started).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """The events of one correlation id, oldest first: a request and what answered it. `hop` is its distance from the
    one that was asked for: below 0 what it followed from, above 0 what followed."""

    correlation_id: UUID
    parent: UUID | None
    hop: int
    events: list[StoredEvent]

    @property
    def elapsed_ms(self) -> float:
        """From the first event to the last."""
        return (self.events[-1].timestamp - self.events[0].timestamp).total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class CorrelationTrace:
    """An exchange and the chain that it is part of, in the order of hops, then of time. `cut`: there is more of it."""

    correlation_id: UUID
    exchanges: list[Exchange] = field(default_factory=list)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class TopicPerformance:
    """A topic in one region, over the last 24 hours."""

    region: str
    topic: str
    events: int
    failed: int
    succeeded: int
    average_ms: float | None
    p95_ms: float | None
    longest_ms: int | None
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A row of event_session_metrics."""

    region: str
    session_id: UUID
    first_event_at: datetime
    last_event_at: datetime
    duration_ms: int
    total_events: int
    requests: int
    responses: int
    failed: int
    correlations: int
    success_rate: float | None
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: int | None
    refreshed_at: datetime


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some sessions in order, and where the next page begins: None at the end."""

    sessions: list[SessionSummary]
    next: str | None = None
