"""Stories and lists of requests on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from streams_app.commands.console import print_rows, say
from streams_app.systems.requests.stories import Row, Story


def print_story(story: Story) -> None:
    """The request, its timeline, then what belongs to it."""
    _print_request(story)
    print_rows(
        "Events",
        ("#", "time", "after", "step", "status", "outcome", "reason", "actor"),
        [
            (
                e["seq_num"],
                _time(e["event_ts"]),
                _duration(e["seconds_after"]),
                f"{e['action_code']} {e['state_code']}",
                e["status_code"],
                e["outcome"],
                e["reason"],
                e["actor"],
            )
            for e in story.events
        ],
    )
    print_rows(
        "Accounts", ("role", "share", "account", "name", "status", "currency", "region"), map(_account, story.accounts)
    )
    print_rows(
        "Trades",
        ("account", "side", "symbol", "quantity", "price", "status"),
        [
            (t["account_id"], t["side"], t["symbol"], t["quantity"], f"{t['price']} {t['currency']}", t["status_code"])
            for t in story.trades
        ],
    )
    print_rows("Signals", ("kind", "actor", "time", "what became of it"), [_signal(s, story) for s in story.signals])


def print_list(rows: Sequence[Row]) -> None:
    """One line per request."""
    columns = ("request", "type", "status", "step", "outcome", "events", "created", "last event", "region")
    cells = [
        (
            row["request_id"],
            row["request_type_code"],
            row["status_code"],
            f"{row['action_code']} {row['state_code']}" if row["state_code"] else "not begun",
            row["reason"] or row["outcome"] or "",
            row["seq_num"],
            _time(row["created_ts"]),
            _time(row["event_ts"]),
            row["region"],
        )
        for row in rows
    ]
    print_rows("Requests", columns, cells)
    if not rows:
        say("no such requests")


def _print_request(story: Story) -> None:
    request = story.request
    lines = [
        f"{request['request_type_code']} {request['request_id']}: {request['status_code']}",
        f"{request['description'] or 'no description'}, asked by {request['requested_by']} "
        f"at {_time(request['created_ts'])}, region {story.region} (locality {request['locality']})",
    ]
    if request["target_effective_ts"]:
        lines.append(f"effective from {_time(request['target_effective_ts'])}")
    if request["details"]:
        lines.append(f"details {orjson.dumps(request['details']).decode()}")
    say("\n".join(lines))


def _account(row: Row) -> tuple[Any, ...]:
    share = None if row["allocation_pct"] is None else f"{row['allocation_pct']} %"
    number = row.get("account_number", row["account_id"])
    status = row.get("account_status", "does not exist")
    return row["role"], share, number, row.get("account_name"), status, row.get("base_currency"), row.get("region")


def _signal(row: Row, story: Story) -> tuple[Any, ...]:
    if row["applied_by"] is not None:
        fate = f"made event {row['applied_by']}"
    elif story.request["status_code"] in ("PENDING", "IN_PROGRESS"):
        fate = "waits"
    else:
        fate = "came too late"
    return row["kind"], row["actor"], _time(row["created_ts"]), fate


def _time(value: datetime | None) -> str | None:
    return None if value is None else f"{value.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"+{seconds / size:.1f} {unit}"
    return f"+{seconds:.3f} s"
