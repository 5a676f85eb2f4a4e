"""The state of both logs on a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from streams_app.commands.console import print_rows, say
from streams_app.systems.tracking.alerts import Alert
from streams_app.systems.tracking.summaries import (
    OPEN,
    Backlog,
    Cell,
    Figures,
    Flow,
    Side,
    all_backlogs,
    as_dict,
    by_service,
    total,
)

ALL = "all"
_WAY = {Side.PRODUCED: "out", Side.CONSUMED: "in"}


def status_dict(figures: Sequence[Figures], alerts: Sequence[Alert], window: float) -> dict[str, Any]:
    """Everything that `print_status` shows; `window` in seconds."""
    minutes = window / 60
    return {
        "window_seconds": window,
        "regions": {
            name: {
                "backlog": as_dict(backlog),
                **{side.value: flow.as_dict(minutes) for side, flow in _flows(cells) if cells is not None},
            }
            for name, backlog, cells in _places(figures)
        },
        "services": [
            {"service": service, "side": side.value, **flow.as_dict(minutes)}
            for (service, side), flow in by_service(_cells(figures)).items()
        ],
        "alerts": [{**asdict(alert), "text": str(alert)} for alert in alerts],
    }


def print_status(figures: Sequence[Figures], alerts: Sequence[Alert], window: float, span: str) -> None:
    """What waits, what went through in the window, and what needs somebody; `span` is the window in words."""
    minutes = window / 60
    open_states = [name for side in Side for name in (*OPEN[side], f"FAILED {_WAY[side]}")]
    print_rows(
        "Waiting",
        ("region", *open_states, "oldest pending", "days ahead"),
        [(name, *_waiting(backlog)) for name, backlog, _ in _places(figures)],
    )
    print_rows(
        f"Events of the last {span}",
        ("region", "side", "events/min", "done/min", "failed/min", "average", "p99", "retried"),
        [
            (name, side.value, *_speeds(flow, minutes))
            for name, _, cells in _places(figures)
            if cells is not None
            for side, flow in _flows(cells)
        ],
    )
    print_rows(
        "Services",
        ("service", "side", "events", "success", "errors"),
        [
            (service, side.value, f"{flow.events:,}", _percent(flow.success_rate), _percent(flow.error_rate))
            for (service, side), flow in by_service(_cells(figures)).items()
        ],
    )
    for alert in alerts:
        say(f"ALERT {alert}")
    if not alerts:
        say("no alert")


def _places(figures: Sequence[Figures]) -> Iterator[tuple[str, Backlog | None, Sequence[Cell] | None]]:
    """Each region, then all of them together."""
    for part in figures:
        yield part.region, part.backlog, part.cells
    if len(figures) > 1:
        yield ALL, all_backlogs(figures), _cells(figures)


def _flows(cells: Sequence[Cell] | None) -> list[tuple[Side, Flow]]:
    return [(side, total(cell for cell in cells or () if cell.side is side)) for side in Side]


def _cells(figures: Iterable[Figures]) -> list[Cell]:
    return [cell for part in figures for cell in part.cells or ()]


def _waiting(backlog: Backlog | None) -> list[str]:
    if backlog is None:
        return ["no answer"]
    counts = [f"{backlog.counts.get(side, {}).get(status, 0):,}" for side in Side for status in (*OPEN[side], "FAILED")]
    oldest = "" if backlog.oldest_seconds is None else f"{backlog.oldest_seconds:,.1f} s"
    return [*counts, oldest, "" if backlog.days_ahead is None else str(backlog.days_ahead)]


def _speeds(flow: Flow, minutes: float) -> tuple[str, ...]:
    figures = flow.as_dict(minutes)
    return (
        f"{figures['per_minute']:,.1f}",
        f"{figures['done_per_minute']:,.1f}",
        f"{figures['failed_per_minute']:,.1f}",
        _milliseconds(flow.average_ms),
        _milliseconds(flow.percentile_ms(0.99)),
        _percent(flow.retry_rate),
    )


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"
