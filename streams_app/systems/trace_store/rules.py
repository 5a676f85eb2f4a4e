"""What the figures of topics mean, and which parts of a chain belong to an exchange. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streams_app.systems.trace_store.model import Bottleneck, Exchange, GroupMetrics, Severity, StoredEvent

# Milliseconds on average, above which a topic is slow (seed 002 names the first).
_LIMITS: Final = ((5000, Severity.HIGH), (2000, Severity.MEDIUM), (1000, Severity.LOW))


def severity(average_ms: float | None) -> Severity | None:
    """How slow a topic is that takes so long on average; None: it is not, or nobody knows."""
    if average_ms is None:
        return None
    return next((severity for limit, severity in _LIMITS if average_ms > limit), None)


def bottlenecks(topics: Iterable[GroupMetrics]) -> list[Bottleneck]:
    """The topics that are slow on average, the slowest first."""
    found = []
    for topic in topics:
        average = topic.latency.average
        if average is not None and (judged := severity(average)) is not None:
            found.append(Bottleneck(topic.name, average, topic.latency.events, judged))
    return sorted(found, key=lambda bottleneck: (-bottleneck.average_ms, bottleneck.topic))


def exchanges(events: Iterable[tuple[int, StoredEvent]]) -> list[Exchange]:
    """Events, each with its hop, as exchanges in the order of hops, then of time."""
    found: dict[object, Exchange] = {}
    for hop, event in sorted(events, key=lambda pair: (pair[0], pair[1].timestamp, pair[1].event_id)):
        assert event.correlation_id is not None
        exchange = found.get(event.correlation_id)
        if exchange is None:
            exchange = Exchange(event.correlation_id, event.parent_correlation_id, hop, [event])
        elif exchange.parent is None and event.parent_correlation_id is not None:
            exchange = Exchange(event.correlation_id, event.parent_correlation_id, hop, [*exchange.events, event])
        else:
            exchange.events.append(event)
        found[event.correlation_id] = exchange
    return list(found.values())
