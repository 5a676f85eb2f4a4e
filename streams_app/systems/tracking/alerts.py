"""When the figures of the logs need somebody, and what to do then. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.summaries import Backlog, Figures, Flow, Side

#: With less than this many days ahead, nothing can be written the day after tomorrow.
LEAST_DAYS_AHEAD: Final = 2


class AlertName(StrEnum):
    """What may be wrong."""

    NO_ANSWER = "no_answer"
    BACKLOG = "backlog"
    OLDEST = "oldest_pending"
    CONSUMPTION_BACKLOG = "consumption_backlog"
    DAYS_AHEAD = "days_ahead"
    FAILURE_RATE = "failure_rate"
    RETRY_RATE = "retry_rate"


_NEXT_STEP: Final = {
    AlertName.NO_ANSWER: "look at the region's database and pooler, or take a shorter --window: no figures of it",
    AlertName.BACKLOG: "see that workers run and the broker answers; more workers share the work",
    AlertName.OLDEST: "see that workers run and the broker answers: `faust -A streams_app tracking failed`, their logs",
    AlertName.CONSUMPTION_BACKLOG: "see that workers run, and what a batch takes: streams_batch_seconds",
    AlertName.DAYS_AHEAD: "start a worker, which makes days ahead, or as the owner: SELECT event_log_add_days(14)",
    AlertName.FAILURE_RATE: "`faust -A streams_app tracking failed` tells why, `tracking retry` tries again",
    AlertName.RETRY_RATE: "the broker or a database is slow or refuses: `tracking show EVENT_ID` has the last error",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still well: counts, seconds and shares from 0 to 1."""

    backlog: int
    oldest_seconds: float
    failure_rate: float
    retry_rate: float
    days_ahead: int = LEAST_DAYS_AHEAD


@dataclass(frozen=True, slots=True)
class Alert:
    """A limit that is passed in a region: what was found, the limit, and what to do."""

    region: str
    name: AlertName
    side: Side | None
    found: float | None
    limit: float | None
    next_step: str

    def __str__(self) -> str:
        what = f"{self.name.value}" + (f" of what is {self.side.value}" if self.side else "")
        numbers = "" if self.limit is None else f" {self.found:,.6g}, limit {self.limit:,.6g}"
        return f"{self.region}: {what}{numbers}: {self.next_step}"


def limits_of(settings: TrackingSettings) -> Limits:
    """The limits that the settings set."""
    return Limits(settings.backlog_alert, settings.oldest_alert, settings.failure_rate_alert, settings.retry_rate_alert)


def judge(figures: Sequence[Figures], limits: Limits) -> list[Alert]:
    """The alerts that hold, region by region. What is not known is not judged, but a region that does not answer is."""
    return [alert for part in figures for alert in _of_region(part, limits)]


def _of_region(part: Figures, limits: Limits) -> Iterator[Alert]:
    if part.backlog is None:
        yield _alert(part.region, AlertName.NO_ANSWER)
        return
    yield from _of_backlog(part.region, part.backlog, limits)
    for side in Side:
        flow = part.flow(side)
        if flow is not None:
            yield from _of_flow(part.region, side, flow, limits)


def _of_backlog(region: str, backlog: Backlog, limits: Limits) -> Iterator[Alert]:
    waiting = backlog.waiting(Side.PRODUCED)
    if waiting > limits.backlog:
        yield _alert(region, AlertName.BACKLOG, Side.PRODUCED, waiting, limits.backlog)
    oldest = backlog.oldest_seconds
    if oldest is not None and oldest > limits.oldest_seconds:
        yield _alert(region, AlertName.OLDEST, Side.PRODUCED, oldest, limits.oldest_seconds)
    waiting = backlog.waiting(Side.CONSUMED)
    if waiting > limits.backlog:
        yield _alert(region, AlertName.CONSUMPTION_BACKLOG, Side.CONSUMED, waiting, limits.backlog)
    if backlog.days_ahead is not None and backlog.days_ahead < limits.days_ahead:
        yield _alert(region, AlertName.DAYS_AHEAD, None, backlog.days_ahead, limits.days_ahead)


def _of_flow(region: str, side: Side, flow: Flow, limits: Limits) -> Iterator[Alert]:
    for name, found, limit in (
        (AlertName.FAILURE_RATE, flow.error_rate, limits.failure_rate),
        (AlertName.RETRY_RATE, flow.retry_rate, limits.retry_rate),
    ):
        if found is not None and found > limit:
            yield _alert(region, name, side, found, limit)


def _alert(
    region: str, name: AlertName, side: Side | None = None, found: float | None = None, limit: float | None = None
) -> Alert:
    return Alert(region, name, side, found, limit, _NEXT_STEP[name])
