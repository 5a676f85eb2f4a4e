"""One picture of a flow: what was published and consumed under one correlation id, joined over services. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Produced:
    """An event on its way out, as the production log has it."""

    region: str
    event_id: str
    service_name: str
    topic: str
    event_type: str
    status: str
    error_message: str | None
    partition: int | None
    offset: int | None
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Consumed:
    """An event on its way in, as the consumption log has it."""

    region: str
    event_id: str
    service_name: str
    topic: str
    event_type: str
    status: str
    error_message: str | None
    partition: int
    offset: int
    consumer_group: str
    received_at: datetime
    processed_at: datetime | None
    processing_time_ms: int | None


Row = Produced | Consumed


@dataclass(frozen=True, slots=True)
class Step:
    """A row of a log, how long it took, and what followed from it.

    `after` are the seconds since the flow began. `waited` are those that a consumed event lay in its topic. `took` are
    those from the commit of an event to its topic, or those of its processing. None: not known, or not over.
    """

    row: Row
    after: float
    waited: float | None
    took: float | None
    following: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trace:
    """A flow: its first steps, each with what followed. `seconds` is the time from its first to its last moment."""

    correlation_id: str
    steps: list[Step]
    seconds: float

    def walk(self) -> Iterator[tuple[int, Step]]:
        """All steps with their depth, each before what followed from it."""
        waiting = [(0, step) for step in reversed(self.steps)]
        while waiting:
            depth, step = waiting.pop()
            yield depth, step
            waiting += [(depth + 1, child) for child in reversed(step.following)]

    def as_dict(self) -> dict[str, Any]:
        """The flow as JSON has it."""
        steps = list(self.walk())
        number = {id(step): count for count, (_, step) in enumerate(steps, 1)}
        follows = {id(child): number[id(step)] for _, step in steps for child in step.following}
        # Flat, because flows may be longer than readers of JSON let it be deep.
        return {
            "correlation_id": self.correlation_id,
            "seconds": round(self.seconds, 3),
            "steps": [
                {"step": number[id(step)], "follows": follows.get(id(step)), "depth": depth, **_cells(step)}
                for depth, step in steps
            ],
        }


def stitch(correlation_id: str, produced: Sequence[Produced], consumed: Sequence[Consumed]) -> Trace:
    """Join the rows of both logs of all regions, in time order.

    A consumed event follows from the one of the same id and topic that was produced. A produced event follows from the
    latest event that its service had received before; where there is none, it begins a flow.
    """
    rows: list[Row] = sorted([*produced, *consumed], key=_began)
    if not rows:
        return Trace(correlation_id, [], 0.0)
    first = _began(rows[0])
    by_event = {(row.event_id, row.topic): row for row in produced}
    received: dict[str, list[Consumed]] = defaultdict(list)
    for taken in sorted(consumed, key=_began):
        received[taken.service_name].append(taken)
    steps = {id(row): _measured(row, by_event, first) for row in rows}
    causes = _causes(rows, by_event, received)
    roots: list[Step] = []
    for row in rows:
        cause = causes[id(row)]
        (steps[id(cause)].following if cause is not None else roots).append(steps[id(row)])
    last = max(moment for row in rows for moment in (_began(row), _ended(row)) if moment is not None)
    return Trace(correlation_id, roots, (last - first).total_seconds())


def _causes(
    rows: Sequence[Row], by_event: dict[tuple[str, str], Produced], received: dict[str, list[Consumed]]
) -> dict[int, Row | None]:
    """What each row followed from, by the row's identity."""
    causes: dict[int, Row | None] = {
        id(row): by_event.get((row.event_id, row.topic)) for row in rows if isinstance(row, Consumed)
    }
    for row in rows:
        if isinstance(row, Produced):
            # Clocks of regions differ: what followed from an event did not cause it.
            before = (taken for taken in reversed(received[row.service_name]) if taken.received_at <= row.created_at)
            causes[id(row)] = next((taken for taken in before if not _follows(taken, row, causes)), None)
    return causes


def _follows(row: Row, cause: Row, causes: dict[int, Row | None]) -> bool:
    """Whether `row` is `cause` or came of it."""
    step: Row | None = row
    while step is not None and step is not cause:
        step = causes.get(id(step))
    return step is not None


def _measured(row: Row, by_event: dict[tuple[str, str], Produced], first: datetime) -> Step:
    after = (_began(row) - first).total_seconds()
    if isinstance(row, Produced):
        return Step(row, after, None, _seconds(row.created_at, row.published_at))
    source = by_event.get((row.event_id, row.topic))
    waited = _seconds(source.published_at, row.received_at) if source is not None else None
    took = _seconds(row.received_at, row.processed_at)
    return Step(row, after, waited, took)


def _began(row: Row) -> datetime:
    return row.created_at if isinstance(row, Produced) else row.received_at


def _ended(row: Row) -> datetime | None:
    return row.published_at if isinstance(row, Produced) else row.processed_at


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _cells(step: Step) -> dict[str, Any]:
    row = step.row
    return {
        "kind": "produced" if isinstance(row, Produced) else "consumed",
        **{name: getattr(row, name) for name in row.__dataclass_fields__},
        "after_seconds": round(step.after, 3),
        "waited_seconds": step.waited,
        "took_seconds": step.took,
    }
