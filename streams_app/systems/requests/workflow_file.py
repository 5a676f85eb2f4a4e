"""Where in the workflow file something stands: errors name the line a person must mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams_app.errors import SettingsError


class WorkflowError(SettingsError):
    """A workflow file that cannot be used; the message names the file, the line and what is expected."""


class Located:
    """The text of a workflow file, or one section of it, that can say on which line something stands."""

    def __init__(self, path: Path, text: str, first: int = 1, heading: str = "") -> None:
        self.path = path
        self.heading = heading
        self._lines = text.splitlines()
        self._first = first

    def section(self, name: str) -> Located:
        """The part of the file under `[name]`, up to the next heading."""
        start = next((i for i, line in enumerate(self._lines) if line.strip() == f"[{name}]"), 0)
        rest = self._lines[start + 1 :]
        length = next((i for i, line in enumerate(rest) if line.startswith("[")), len(rest))
        text = "\n".join(self._lines[start : start + 1 + length])
        return Located(self.path, text, self._first + start, f"[{name}]")

    def table(self, data: dict[str, Any], name: str) -> dict[str, Any]:
        """The table `name` of the parsed file. Raises WorkflowError when it is missing or no table."""
        value = data.get(name)
        if not isinstance(value, dict) or not value:
            raise WorkflowError(f"{self.path}: [{name}] is missing")
        return value

    def error(self, needle: str, message: str, *, last: bool = False) -> WorkflowError:
        """An error that points at the first (or `last`) line holding `needle`."""
        hits = [i for i, line in enumerate(self._lines) if needle in line] or [0]
        line = self._first + hits[-1 if last else 0]
        return WorkflowError(f"{self.path}, line {line}: {message}")
