"""Sessions, exchanges, topics and what a search found, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from streams_app.commands.console import print_rows, say
from streams_app.systems.trace_store.model import (
    CorrelationTrace,
    GroupMetrics,
    Latency,
    Page,
    SessionMetrics,
    SessionPage,
    SessionTrace,
    StoredEvent,
    TopicPerformance,
)
from streams_app.systems.trace_store.waterfall import span

_EVENT_COLUMNS = ("type", "topic", "status", "took", "correlation", "event")


def metrics_dict(metrics: SessionMetrics) -> dict[str, Any]:
    """All figures of a session, with those that are worked out from others."""
    return asdict(metrics) | {"duration_ms": metrics.duration_ms}


def correlation_dict(trace: CorrelationTrace) -> dict[str, Any]:
    """A chain, with the time that each exchange took."""
    found = [asdict(exchange) | {"elapsed_ms": exchange.elapsed_ms} for exchange in trace.exchanges]
    return {"correlation_id": trace.correlation_id, "cut": trace.cut, "exchanges": found}


def print_session(trace: SessionTrace) -> None:
    """One line per event, oldest first."""
    events = trace.page.events
    say(f"Session {trace.session_id} in {trace.region}: {trace.total:,} events in {span(trace.duration_ms)}")
    print_rows(
        "Events",
        ("time", "after", *_EVENT_COLUMNS),
        [(_time(event.timestamp), _after(events[0], event), *_event_cells(event)) for event in events],
    )
    _say_next(trace.page.next)


def print_metrics(metrics: SessionMetrics) -> None:
    """The session as a whole, by type and by topic; what is slow."""
    say(
        f"Session {metrics.session_id} in {metrics.region}: {metrics.total:,} events of {metrics.correlations:,} "
        f"exchanges in {span(metrics.duration_ms)}, {metrics.failed:,} failed"
    )
    say(f"from {_time(metrics.started)} to {_time(metrics.ended)}; success {percent(metrics.success_rate)}")
    whole = GroupMetrics("all", metrics.total, metrics.failed, metrics.latency)
    for title, groups in (("By type", [*metrics.by_type, whole]), ("By topic", metrics.by_topic)):
        print_rows(
            title,
            ("name", "events", "failed", "measured", "average", "p50", "p95", "p99", "longest"),
            [(group.name, f"{group.events:,}", f"{group.failed:,}", *_latency(group.latency)) for group in groups],
        )
    for slow in metrics.bottlenecks:
        say(f"SLOW ({slow.severity}) {slow.topic}: {span(slow.average_ms)} on average over {slow.events:,} events")
    if not metrics.bottlenecks:
        say("no topic is slow: none takes more than a second on average")


def print_correlation(trace: CorrelationTrace) -> None:
    """The chain, hop by hop: one line per event."""
    say(f"{trace.correlation_id}: {len(trace.exchanges):,} exchanges")
    rows = [
        (
            f"{exchange.hop:+d}" if exchange.hop else "asked for",
            exchange.correlation_id,
            _time(event.timestamp),
            _after(exchange.events[0], event),
            event.event_type,
            event.topic,
            event.status,
            _took(event),
            event.session_id,
        )
        for exchange in trace.exchanges
        for event in exchange.events
    ]
    columns = ("hop", "exchange", "time", "after", "type", "topic", "status", "took", "session")
    print_rows("Chain", columns, rows)
    if trace.cut:
        say("There is more of it: raise --hops or --limit")


def print_found(page: Page) -> None:
    """One line per event, newest first."""
    rows = [(_time(event.timestamp), *_event_cells(event), event.session_id) for event in page.events]
    print_rows("Events", ("time", *_EVENT_COLUMNS, "session"), rows)
    if not page.events:
        say("no event holds that")
    _say_next(page.next)


def print_topics(topics: Sequence[TopicPerformance]) -> None:
    """One line per topic and region, the slowest first."""
    columns = ("topic", "region", "events", "failed", "succeeded", "average", "p95", "longest", "slow")
    rows = [
        (
            topic.topic,
            topic.region,
            f"{topic.events:,}",
            f"{topic.failed:,}",
            f"{topic.succeeded:,}",
            _milliseconds(topic.average_ms),
            _milliseconds(topic.p95_ms),
            _milliseconds(topic.longest_ms),
            topic.severity,
        )
        for topic in topics
    ]
    print_rows("Topics of the last 24 hours", columns, rows)
    if not topics:
        say("no events in the last 24 hours")


def print_sessions(page: SessionPage) -> None:
    """One line per session, that with the newest event first."""
    columns = ("session", "region", "last event", "length", "events", "exchanges", "failed", "success", "p50", "p95")
    rows = [
        (
            session.session_id,
            session.region,
            _time(session.last_event_at),
            span(session.duration_ms),
            f"{session.total_events:,}",
            f"{session.correlations:,}",
            f"{session.failed:,}",
            percent(session.success_rate),
            _milliseconds(session.p50_ms),
            _milliseconds(session.p95_ms),
        )
        for session in page.sessions
    ]
    print_rows("Sessions", columns, rows)
    if not page.sessions:
        say("no sessions yet; workers bring the figures up to date every few seconds (trace_store.refresh_interval)")
    _say_next(page.next)


def percent(share: float | None) -> str:
    """A share in words that a table has room for."""
    return "unknown" if share is None else f"{share:.1%}"


def _event_cells(event: StoredEvent) -> tuple[str | UUID | None, ...]:
    return event.event_type, event.topic, event.status, _took(event), event.correlation_id, event.event_id


def _latency(latency: Latency) -> tuple[str, ...]:
    figures = (latency.average, latency.p50, latency.p95, latency.p99, latency.longest)
    return f"{latency.events:,}", *(_milliseconds(figure) for figure in figures)


def _took(event: StoredEvent) -> str:
    return _milliseconds(event.processing_time_ms)


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


def _after(first: StoredEvent, event: StoredEvent) -> str:
    return f"+{(event.timestamp - first.timestamp).total_seconds():.3f} s"


def _time(value: datetime) -> str:
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _say_next(cursor: str | None) -> None:
    if cursor is not None:
        say(f"There are more: --after {cursor}")
