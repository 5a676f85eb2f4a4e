"""What is slow, and which events make an exchange."""

from __future__ import annotations

from uuid import UUID

import pytest

from streams_app.systems.trace_store.model import GroupMetrics, Latency, Severity
from streams_app.systems.trace_store.rules import bottlenecks, exchanges, severity

from .made import event


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        (None, None),
        (0, None),
        (1000, None),
        (1000.1, Severity.LOW),
        (2000, Severity.LOW),
        (2001, Severity.MEDIUM),
        (5000, Severity.MEDIUM),
        (5001, Severity.HIGH),
    ],
)
def test_how_slow_a_topic_is(average: float | None, expected: Severity | None) -> None:
    assert severity(average) is expected


def test_bottlenecks_are_the_slow_topics_slowest_first() -> None:
    averages = {"b": 1500.0, "fast": 999.0, "a": 1500.0, "unknown": None, "worst": 9000.0}
    found = bottlenecks(GroupMetrics(name, 9, 1, Latency(3, average)) for name, average in averages.items())
    assert [(slow.topic, slow.severity, slow.events) for slow in found] == [
        ("worst", Severity.HIGH, 3),
        ("a", Severity.LOW, 3),
        ("b", Severity.LOW, 3),
    ]


def test_exchanges_are_in_the_order_of_hops_then_of_time() -> None:
    late, early, answer, cause = event(9, exchange=3), event(5, exchange=2), event(7, "response"), event(1)
    follows = event(20, "response", exchange=3, parent_correlation_id=UUID(int=1))
    found = exchanges([(1, late), (0, answer), (1, follows), (1, early), (0, cause)])
    assert [(part.correlation_id.int, part.hop, part.parent, part.events) for part in found] == [
        (1, 0, None, [cause, answer]),
        (2, 1, None, [early]),
        (3, 1, UUID(int=1), [late, follows]),
    ]
    assert [part.elapsed_ms for part in found] == [6, 0, 11]


def test_events_of_one_moment_are_in_the_order_of_their_ids() -> None:
    second, first = event(1, event_id=UUID(int=2)), event(1, event_id=UUID(int=1))
    [exchange] = exchanges([(0, second), (0, first)])
    assert exchange.events == [first, second]
