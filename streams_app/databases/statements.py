"""SQL lives in .sql files: each statement under a line `-- name: …`."""

from __future__ import annotations

from pathlib import Path


class Statements:
    """The named statements of one .sql file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._statements: dict[str, bytes] = {}
        name: str | None = None
        lines: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("-- name:"):
                self._add(name, lines)
                name, lines = line.removeprefix("-- name:").strip(), []
            else:
                lines.append(line)
        self._add(name, lines)

    def _add(self, name: str | None, lines: list[str]) -> None:
        if name is not None:
            self._statements[name] = "\n".join(lines).strip().rstrip(";").encode()

    def __getitem__(self, name: str) -> bytes:
        """The statement of that name. Raises KeyError, naming the file."""
        try:
            return self._statements[name]
        except KeyError:
            raise KeyError(f"{self._path} has no statement {name!r}") from None

    def names(self) -> list[str]:
        """The names of all statements, as they stand in the file."""
        return list(self._statements)
