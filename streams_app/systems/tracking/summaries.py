"""The figures of both logs as plain data: what waits, how much went through in a window, and how fast. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from streams_app.systems.tracking.model import ConsumptionStatus, ProductionStatus

#: Times are counted in steps of 5 %, so that those of services and regions can be added up: a percentile is that exact.
STEPS_PER_E: Final = 20


class Side(StrEnum):
    """Which of the two logs."""

    PRODUCED = "produced"
    CONSUMED = "consumed"


#: What waits, by side.
OPEN: Final[Mapping[Side, tuple[str, ...]]] = {
    Side.PRODUCED: (ProductionStatus.PENDING, ProductionStatus.PUBLISHING),
    Side.CONSUMED: (ConsumptionStatus.RECEIVED, ConsumptionStatus.PROCESSING),
}
_DONE: Final = (ProductionStatus.PUBLISHED.value, ConsumptionStatus.PROCESSED.value)
_FAILED: Final = ProductionStatus.FAILED.value


@dataclass(frozen=True, slots=True)
class Cell:
    """Events of a window that are alike. `bucket` is the step that their times fall in, None of those not done;
    `milliseconds` is the sum of their times."""

    side: Side
    service: str
    status: str
    bucket: int | None
    events: int
    retried: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Flow:
    """What became of the events of a window. Rates are shares from 0 to 1, None where there is nothing to divide."""

    events: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    milliseconds: float = 0.0
    buckets: Mapping[int, int] = field(default_factory=dict)

    @property
    def success_rate(self) -> float | None:
        """Share of the events that are over which went well."""
        return _share(self.done, self.done + self.failed)

    @property
    def error_rate(self) -> float | None:
        """Share of the events that are over which were given up."""
        return _share(self.failed, self.done + self.failed)

    @property
    def retry_rate(self) -> float | None:
        """Share of all events that needed another try."""
        return _share(self.retried, self.events)

    @property
    def average_ms(self) -> float | None:
        """The mean time of an event that is done, in milliseconds."""
        return _share(self.milliseconds, self.done)

    def percentile_ms(self, share: float) -> float | None:
        """The time, in milliseconds, that `share` of the events took at most; 5 % too much at worst."""
        left = math.ceil(share * sum(self.buckets.values()))
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return math.exp((bucket + 1) / STEPS_PER_E)
        return None

    def as_dict(self, minutes: float) -> dict[str, Any]:
        """The figures as JSON has them, per minute of a window of `minutes`."""
        return {
            "events": self.events,
            "done": self.done,
            "failed": self.failed,
            "per_minute": round(self.events / minutes, 2),
            "done_per_minute": round(self.done / minutes, 2),
            "failed_per_minute": round(self.failed / minutes, 2),
            "average_ms": _rounded(self.average_ms, 1),
            "p99_ms": _rounded(self.percentile_ms(0.99), 1),
            "success_rate": _rounded(self.success_rate, 4),
            "error_rate": _rounded(self.error_rate, 4),
            "retry_rate": _rounded(self.retry_rate, 4),
        }


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not done in one region. `days_ahead` is None where days are no partitions."""

    counts: Mapping[Side, Mapping[str, int]]
    oldest_seconds: float | None
    days_ahead: int | None

    def waiting(self, side: Side) -> int:
        """Events that are still on their way."""
        return sum(self.counts.get(side, {}).get(status, 0) for status in OPEN[side])

    def failed(self, side: Side) -> int:
        """Events that were given up and wait for somebody."""
        return self.counts.get(side, {}).get(_FAILED, 0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of a region: `backlog` is None when it does not answer, `cells` when nobody asked for a window."""

    region: str
    backlog: Backlog | None
    cells: Sequence[Cell] | None = None

    def flow(self, side: Side) -> Flow | None:
        """What became of the window's events of one side."""
        return None if self.cells is None else total(cell for cell in self.cells if cell.side is side)


def total(cells: Iterable[Cell]) -> Flow:
    """The figures of cells together: of a service, of a region, of all."""
    events, retried, milliseconds = 0, 0, 0.0
    by_status: Counter[str] = Counter()
    buckets: Counter[int] = Counter()
    for cell in cells:
        events += cell.events
        retried += cell.retried
        by_status[cell.status] += cell.events
        if cell.bucket is not None and cell.status in _DONE:
            buckets[cell.bucket] += cell.events
            milliseconds += cell.milliseconds
    done = sum(by_status[status] for status in _DONE)
    return Flow(events, done, by_status[_FAILED], retried, milliseconds, dict(buckets))


def by_service(cells: Iterable[Cell]) -> dict[tuple[str, Side], Flow]:
    """The figures of each service and side, in the order of their names."""
    parts: dict[tuple[str, Side], list[Cell]] = {}
    for cell in cells:
        parts.setdefault((cell.service, cell.side), []).append(cell)
    return {key: total(parts[key]) for key in sorted(parts)}


def all_backlogs(figures: Iterable[Figures]) -> Backlog:
    """The backlog of all regions that answer: counts added up, the oldest event, the fewest days."""
    known = [part.backlog for part in figures if part.backlog is not None]
    counts: dict[Side, Counter[str]] = {side: Counter() for side in Side}
    for backlog in known:
        for side, statuses in backlog.counts.items():
            counts[side].update(statuses)
    return Backlog(
        counts={side: dict(found) for side, found in counts.items()},
        oldest_seconds=max((b.oldest_seconds for b in known if b.oldest_seconds is not None), default=None),
        days_ahead=min((b.days_ahead for b in known if b.days_ahead is not None), default=None),
    )


def days_ahead(partitions: Iterable[str], logs: Sequence[str], today: date) -> int:
    """How many days after `today` all `logs` have partitions for, without a gap. Names end with the day: _20260131."""
    there = set(partitions)
    days = 0
    while all(f"{log}_{today + timedelta(days=days):%Y%m%d}" in there for log in logs):
        days += 1
    return max(days - 1, 0)


def as_dict(backlog: Backlog | None) -> dict[str, Any] | None:
    """A backlog as JSON has it; None for a region that does not answer."""
    if backlog is None:
        return None
    return {
        "counts": {side.value: dict(backlog.counts.get(side, {})) for side in Side},
        "oldest_seconds": _rounded(backlog.oldest_seconds, 3),
        "days_ahead": backlog.days_ahead,
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
