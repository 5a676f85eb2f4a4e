"""A session as a waterfall: one bar for each exchange on a common axis of time, statuses as marks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from streams_app.systems.trace_store.model import EventStatus, EventType, StoredEvent

#: Most bars of one picture.
MOST_BARS: Final = 60
_ENDS: Final = frozenset({EventType.RESPONSE, EventType.ERROR})
_SECOND, _MINUTE, _HOUR, _DAY = 1000.0, 60_000.0, 3_600_000.0, 86_400_000.0
_STEPS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
    *(step * _SECOND for step in (1, 2, 5, 10, 15, 30)),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 4, 6, 12)),
    *(step * _DAY for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
_PREFIX: Final = "omninode_codegen_"


class Outcome(StrEnum):
    """How an exchange ended; open: nothing has answered it."""

    ANSWERED = "answered"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Bar:
    """An exchange: milliseconds after the session's first event. One that is open ends with its last event."""

    name: str
    correlation_id: UUID
    start: float
    end: float
    outcome: Outcome

    @property
    def took(self) -> float:
        """Milliseconds from its first event to its last."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Mark:
    """An event that belongs to no exchange, at milliseconds after the session's first."""

    at: float
    status: EventStatus

    @property
    def failed(self) -> bool:
        """Whether it tells of a failure."""
        return self.status is EventStatus.FAILED


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What is drawn. Bars are in the order in which they start; `notes` say what is not shown."""

    session_id: UUID
    began: datetime
    length: float
    events: int
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    notes: Sequence[str]


def waterfall(session_id: UUID, events: Sequence[StoredEvent], total: int, most: int = MOST_BARS) -> Waterfall:
    """The picture of a session's events, oldest first, of `total` that there are. Raises ValueError without events."""
    if not events:
        raise ValueError("a picture needs events")
    began = events[0].timestamp
    by_exchange: dict[UUID, list[StoredEvent]] = {}
    marks = []
    for event in events:
        if event.correlation_id is None:
            marks.append(Mark(_after(began, event), event.status))
        else:
            by_exchange.setdefault(event.correlation_id, []).append(event)
    bars = [_bar(began, correlation, part) for correlation, part in by_exchange.items()]
    shown = _chosen(bars, most)
    notes = [_left_out(bars, shown)] if len(shown) < len(bars) else []
    if total > len(events):
        notes.append(f"only the first {len(events):,} of {total:,} events are in the picture")
    return Waterfall(session_id, began, _after(began, events[-1]), len(events), shown, marks, notes)


def span(milliseconds: float) -> str:
    """A time span in the unit that one reads it in."""
    if milliseconds < 1000:
        return f"{milliseconds:,.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 100:
        return f"{seconds:.2f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def ticks(length: float, most: int = 6) -> list[float]:
    """Places on an axis from zero to `length` milliseconds: at most so many, at round distances."""
    step = next((step for step in _STEPS if length / step < most), length)
    return [number * step for number in range(int(length / step) + 1)] if step > 0 else [0.0]


def tick_label(milliseconds: float) -> str:
    """A round place on the axis, in the largest unit that it is a whole number of."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", _SECOND)):
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds / size:,.0f} {unit}"
    return f"{milliseconds:,.0f} ms" if milliseconds else "0"


def _bar(began: datetime, correlation: UUID, events: Sequence[StoredEvent]) -> Bar:
    ends = [event for event in events if event.event_type in _ENDS]
    failed = any(event.status is EventStatus.FAILED for event in events)
    outcome = Outcome.FAILED if failed else Outcome.ANSWERED if ends else Outcome.OPEN
    start, end = _after(began, events[0]), _after(began, events[-1])
    return Bar(_name(events[0].topic), correlation, start, end, outcome)


def _name(topic: str) -> str:
    """Short for a kind of exchange: analyze for omninode_codegen_request_analyze_v1; other topics stay as they are."""
    words = topic.removeprefix(_PREFIX).split("_")
    return words[1] if topic.startswith(_PREFIX) and len(words) == 3 else topic


def _chosen(bars: Sequence[Bar], most: int) -> list[Bar]:
    """The bars that tell most, in the order in which they start: what failed, what is open, then the slowest."""
    rank = {Outcome.FAILED: 0, Outcome.OPEN: 1, Outcome.ANSWERED: 2}
    kept = sorted(bars, key=lambda bar: (rank[bar.outcome], -bar.took))[:most]
    return sorted(kept, key=lambda bar: (bar.start, bar.end, bar.correlation_id))


def _left_out(bars: Sequence[Bar], shown: Sequence[Bar]) -> str:
    left = len(bars) - len(shown)
    lost = _count(bars, Outcome.FAILED) - _count(shown, Outcome.FAILED)
    what = f", {lost:,} of them failed" if lost else ""
    return f"{left:,} of {len(bars):,} exchanges are left out{what}: failed and open ones come first, then the slowest"


def _count(bars: Iterable[Bar], outcome: Outcome) -> int:
    return sum(bar.outcome is outcome for bar in bars)


def _after(began: datetime, event: StoredEvent) -> float:
    return (event.timestamp - began).total_seconds() * 1000
