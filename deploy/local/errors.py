"""The two errors the local stack raises; both are written to be read by a person."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 25


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and what to do."""


class PartError(StackError):
    """A part ended or did not become ready; the message carries the tail of its log."""

    def __init__(self, part: str, what: str, log: Path) -> None:
        """`part` is its name, `what` completes "part …", `log` the file whose tail is shown."""
        super().__init__(f"{part} {what}. The end of {log}:\n{log_tail(log)}")
        self.part = part


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last `lines` lines of `log`, indented, or a note when there is nothing."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "    (no log was written)"
    tail = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in tail) or "    (the log is empty)"
