"""Dead letters on the terminal and in JSON: their bytes are shown, never interpreted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.text import Text

from streams_app.commands.console import console, print_table
from streams_app.delivery.audits import Audit, digest_of
from streams_app.delivery.letters import Case, Letter, shown


def summary(case: Case) -> dict[str, Any]:
    """A letter in a few words."""
    letter = case.letter
    return {
        "id": letter.id,
        "key": shown(case.key),
        "reason": letter.reason,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "written": f"{letter.written:%Y-%m-%d %H:%M:%S}",
        "state": case.state.value,
        "corrected": case.key != letter.key or case.value != letter.value,
    }


def plan_rows(plan: Iterable[Case]) -> list[list[Any]]:
    """The rows of a redrive's plan."""
    rows = [summary(case) for case in plan]
    return [
        [row["id"], row["key"], row["reason"], row["attempts"], "yes" if row["corrected"] else "no"] for row in rows
    ]


def case_fields(case: Case) -> dict[str, Any]:
    """Everything of a letter, as JSON has it; bytes are as `shown` shows them."""
    letter = case.letter
    return {
        **_about(letter),
        "state": case.state.value,
        "headers": [[name, shown(value)] for name, value in letter.headers],
        "stack": letter.stack,
        "key": shown(letter.key),
        "value": shown(letter.value),
        "sha256": digest_of(letter.value),
        "corrected_key": None if case.key == letter.key else shown(case.key),
        "corrected_value": None if case.value == letter.value else shown(case.value),
        "trail": [_entry(entry) for entry in case.trail],
    }


def print_case(case: Case) -> None:
    """Print everything of a letter."""
    fields = case_fields(case)
    headers, trail = fields.pop("headers"), fields.pop("trail")
    blocks = [(name, fields.pop(name)) for name in ("stack", "value", "corrected_value")]
    print_table("Dead letter", ("field", "value"), [row for row in fields.items() if row[1] is not None])
    if headers:
        print_table("Headers of the record", ("name", "value"), headers)
    for name, text in blocks:
        if text:
            console.print(Text(f"{name.replace('_', ' ')}:", style="bold"))
            # Not wrapped and without markup: what is copied from here is what was sent.
            console.print(Text(text), soft_wrap=True)
    if trail:
        columns = ("when", "who", "action", "reason", "sha256", "sent_as")
        rows = [[{**entry, "sha256": entry["sha256"][:12]}[column] for column in columns] for entry in trail]
        print_table("What was done", columns, rows)


def _about(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "system": letter.system,
        "reason": letter.reason,
        "detail": letter.detail,
        "origin": f"{letter.topic}, partition {letter.partition}, offset {letter.offset}",
        "attempts": letter.attempts,
        "redrive_of": letter.redrive_of,
        "written": letter.written.isoformat(timespec="seconds"),
    }


def _entry(entry: Audit) -> dict[str, Any]:
    return {
        "when": entry.when.isoformat(timespec="seconds"),
        "who": entry.who,
        "action": entry.action.value,
        "reason": entry.reason,
        "sha256": entry.digest,
        "sent_as": entry.sent_as,
    }
