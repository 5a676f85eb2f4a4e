"""What a simulation has measured of one way, and what follows from the samples. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from streams_app.systems.allocations.progress_model import Progress, Sample
from streams_app.systems.allocations.scenario import Phase, Way
from streams_app.verification import Report


@dataclass(frozen=True, slots=True)
class Track:
    """One kind of rows of a phase; `counts` is the field of Progress that says how far it is."""

    phase: Phase
    words: str
    counts: str


TRACKS: Final = (
    Track("routing", "slices routed", "routed"),
    Track("routing", "block orders", "blocks"),
    Track("allocations", "executions made", "executions"),
    Track("allocations", "executions captured", "captured"),
    Track("allocations", "parts filled", "filled"),
    Track("booking", "parts booked", "booked"),
    Track("booking", "rebalances ended", "ended"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """From when there was work for a track to its last row, in seconds since the beginning."""

    track: Track
    began: float
    ended: float
    rows: int

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / max(self.ended - self.began, 0.001)


@dataclass(frozen=True, slots=True)
class Measured:
    """One way. Times in seconds; `latencies` from each execution to its fills, `waited` of all sessions for locks."""

    way: Way
    seconds: float
    spans: tuple[Span, ...]
    progress: Progress
    fills: int
    latencies: Sequence[float]
    waited: float
    deadlocks: int
    retries: int
    kills: int
    lags: Sequence[int]
    report: Report

    @property
    def complete(self) -> bool:
        """Whether all has ended, something was done, and nothing is wrong with it."""
        return self.progress.complete and self.progress.filled > 0 and self.report.clean

    @property
    def first_fills(self) -> float:
        """Seconds to the first part whose accounts had their fills."""
        return next(span.began for span in self.spans if span.track.counts == "booked")

    def latency(self, fraction: float) -> float:
        """So many of the executions took no longer to their fills; NaN of none."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] if ordered else math.nan

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "way": self.way.model_dump(),
            "seconds": self.seconds,
            "phases": [{**asdict(span.track), **_times(span)} for span in self.spans],
            "rows": {**asdict(self.progress), "fills": self.fills},
            "execution_to_fill": {"p50": self.latency(0.5), "p99": self.latency(0.99)},
            "lock_wait_seconds": self.waited,
            "deadlocks": self.deadlocks,
            "retries": self.retries,
            "kills": self.kills,
            "most_lag": max(self.lags, default=0),
            "verify": self.report.as_dict(),
        }


def spans(samples: Sequence[Sample], began: float) -> tuple[Span, ...]:
    """When each track had work, from samples in the order of time."""
    found: list[Span] = []
    work_since = began
    for track in TRACKS:
        counts = [(sample.at, int(getattr(sample.progress, track.counts))) for sample in samples]
        last = counts[-1][1] if counts else 0
        ended = next((at for at, count in counts if count == last and last), work_since)
        found.append(Span(track, work_since - began, max(ended, work_since) - began, last))
        # The next track has work when this one has its first row.
        work_since = next((at for at, count in counts if count), work_since)
    return tuple(found)


def lags(samples: Sequence[Sample]) -> list[int]:
    """Executions that waited to be captured, sample by sample."""
    return [sample.progress.lag for sample in samples]


def _times(span: Span) -> Mapping[str, float]:
    return {"began": span.began, "ended": span.ended, "rows": span.rows, "rows_per_second": span.rate}
