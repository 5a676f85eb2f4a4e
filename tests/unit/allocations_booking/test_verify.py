"""What executions lead to, worked out again for the proof; and the comparisons that no row of a clean world reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from streams_app.systems.allocations import messages
from streams_app.systems.allocations.model import named
from streams_app.systems.allocations.verify_across import check_executions
from streams_app.systems.allocations.verify_checks import ARE_CONSUMED, ARE_PRODUCED, CHECKS, CONSUMED_ONCE
from streams_app.systems.allocations.verify_events import READERS, Produced, check_events
from streams_app.systems.allocations.verify_rows import ExecutionRow, course_of
from streams_app.topics import ALLOCATION_TOPICS

BLOCK = named("block")
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ORDERED = 100
Made = tuple[str, int, str, int | None]


def rows(*made: Made) -> list[ExecutionRow]:
    """Executions from kind, quantity, price and the number that they name, in sequence."""
    return [
        ExecutionRow(BLOCK, seq, named(seq), kind, ref_seq, quantity, Decimal(price), NOW)
        for seq, (kind, quantity, price, ref_seq) in enumerate(made, 1)
    ]


FILL: Made = ("FILL", 60, "10.5", None)
DONE: Made = ("DONE", 0, "0", None)


@pytest.mark.parametrize(
    ("made", "executed", "amount"),
    [
        ((FILL,), 60, "630"),
        ((FILL, ("FILL", 40, "10", None)), 100, "1030"),
        ((FILL, ("FILL", 41, "10", None)), 60, "630"),
        ((FILL, ("BUST", 0, "0", 1)), 0, "0"),
        ((FILL, ("BUST", 0, "0", 1), ("BUST", 0, "0", 1)), 0, "0"),
        ((FILL, ("BUST", 0, "0", 9)), 60, "630"),
        ((FILL, ("CORRECT", 100, "1", 1)), 100, "100"),
        ((FILL, ("CORRECT", 101, "1", 1)), 60, "630"),
        ((FILL, ("CORRECT", 5, "1", 1), ("BUST", 0, "0", 1)), 5, "5"),
        ((FILL, ("CORRECT", 5, "1", 1), ("CORRECT", 6, "2", 2)), 6, "12"),
        ((FILL, ("CORRECT", 5, "-1", 1), ("BUST", 0, "0", 1)), 0, "0"),
        ((FILL, DONE, ("FILL", 1, "1", None)), 60, "630"),
        ((FILL, DONE, ("BUST", 0, "0", 1)), 0, "0"),
        ((("FILL", 1, "-1", None),), 0, "0"),
        ((("FILL", 0, "1", None),), 0, "0"),
        ((("FILL", 1, "1000000000", None),), 0, "0"),
    ],
)
def test_what_executions_lead_to(made: tuple[Made, ...], executed: int, amount: str) -> None:
    course = course_of(rows(*made), ORDERED)
    assert course.at(len(made)) == (executed, Decimal(amount))
    assert (course.at(0), course.at(len(made) + 1)) == ((0, Decimal(0)), None)


def test_executions_that_came_in_another_order_and_are_applied_as_far_as_they_reach_are_fine() -> None:
    made = rows(FILL, ("BUST", 0, "0", 1), FILL, DONE)
    came = [made[0], made[1], made[3]]
    assert list(check_executions(BLOCK, made, came, 2, NOW)) == []
    names = [check.name for check, _ in check_executions(BLOCK, made, came, 3, NOW + timedelta(seconds=1))]
    assert names == ["executions_are_in_sequence", "executions_are_captured"]


def test_events_are_compared_where_they_have_their_effect() -> None:
    produced = [Produced(messages.PARTS, "a", True), Produced(messages.CLOSED, "b", True)]
    produced += [Produced(messages.CLOSED, "c", False), Produced(messages.PARTS, "d", True)]
    consumed = {"allocations": {"a": 1, "d": 2}, "orders": {}, "holdings": {"b": 1}}
    found = [(check, violation.region, violation.offender) for check, violation in check_events(produced, consumed)]
    assert found == [
        (ARE_CONSUMED, "orders", f"event b of {messages.CLOSED}"),
        (CONSUMED_ONCE, "allocations", "event d: 2 times"),
        (ARE_PRODUCED, "holdings", "event b"),
    ]


def test_every_topic_of_the_outboxes_has_a_reader() -> None:
    assert READERS.keys() == {topic.name for topic in ALLOCATION_TOPICS} - {messages.EXECUTIONS}


def test_checks_have_names_of_their_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
