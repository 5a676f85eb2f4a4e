"""Events of both logs on a terminal: lists, everything of one event, the flow of what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from streams_app.commands.console import print_rows, say
from streams_app.systems.tracking.lookups import Account, Row
from streams_app.systems.tracking.traces import Produced, Step, Trace

# Printed below an event's other columns, because they are long.
_LONG: Final = ("payload", "metadata", "error_stack_trace")


def print_failed(rows: Sequence[Row]) -> None:
    """One line per event that was given up."""
    columns = ("created", "side", "region", "service", "topic", "group", "event", "type", "retries", "error")
    cells = [
        (
            _time(row["created_at"]),
            row["side"],
            row["region"],
            row["service_name"],
            row["topic"],
            row["consumer_group"],
            row["event_id"],
            row["event_type"],
            row["retry_count"],
            _first_line(row["error_message"]),
        )
        for row in rows
    ]
    print_rows("Failed", columns, cells)
    say(f"{len(rows)} events; `tracking show EVENT_ID` tells all of one, `tracking retry` tries again")


def print_account(account: Account) -> None:
    """Everything of one event, side by side."""
    say(f"Event {account.event_id}")
    for key in account.production_keys:
        say(f"key in {key['region']}: digest {key['digest']}, given {_time(key['created_at'])}")
    for row in account.productions:
        _print_row(f"Published by {row['service_name']} in {row['region']}: {row['status']}", row)
    for key in account.consumption_keys:
        done = _time(key["processed_at"]) or "not yet"
        say(f"key of {key['consumer_group']} in {key['region']}: digest {key['digest']}, processed {done}")
    for row in account.consumptions:
        _print_row(
            f"Consumed by {row['service_name']} ({row['consumer_group']}) in {row['region']}: {row['status']}", row
        )


def print_trace(trace: Trace) -> None:
    """The flow as a tree, one line per step, in time order."""
    say(f"{trace.correlation_id}: {len(list(trace.walk()))} steps in {trace.seconds:.3f} s")
    print_rows(
        "Flow",
        ("after", "step", "type", "status", "waited", "took", "event", "region"),
        [
            (
                f"+{step.after:.3f} s",
                "  " * depth + _what(step),
                step.row.event_type,
                step.row.status + (f": {_first_line(step.row.error_message)}" if step.row.error_message else ""),
                _seconds(step.waited),
                _seconds(step.took),
                step.row.event_id,
                step.row.region,
            )
            for depth, step in trace.walk()
        ],
    )


def _what(step: Step) -> str:
    row = step.row
    if isinstance(row, Produced):
        place = "" if row.partition is None else f"[{row.partition}]@{row.offset}"
        return f"{row.service_name} → {row.topic}{place}"
    return f"→ {row.service_name}/{row.consumer_group} from {row.topic}[{row.partition}]@{row.offset}"


def _print_row(title: str, row: Row) -> None:
    print_rows(title, ("column", "value"), [(name, _cell(value)) for name, value in row.items() if name not in _LONG])
    for name in _LONG:
        if (value := row.get(name)) is not None:
            say(f"{name}:")
            say(value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _cell(value: Any) -> Any:
    return _time(value) if isinstance(value, datetime) else value


def _time(value: datetime | None) -> str | None:
    return None if value is None else f"{value.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f} s"


def _first_line(text: str | None) -> str | None:
    return text.splitlines()[0] if text else text
