"""What every benchmark shows while it runs, and how it is ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

#: A title, the columns, and the rows.
Figures: TypeAlias = tuple[str, Sequence[str], Sequence[Sequence[str]]]


@contextmanager
def progress(runs: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr, on a terminal only; call what it yields with the name of each run as it begins."""
    stderr = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("starting the stack", total=runs, completed=-1)
        yield lambda name: bar.update(task, description=name, advance=1)


def print_figures(explanation: str, tables: Iterable[Figures]) -> None:
    """Print what the figures are, and the tables."""
    console = Console(width=150)
    console.print(explanation, highlight=False)
    for title, columns, rows in tables:
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, no_wrap=column != "what")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(explanation: str, tables: Iterable[Figures]) -> str:
    """The same as a part of a page."""
    parts = [explanation]
    for title, columns, rows in tables:
        lines = [columns, ("---",) * len(columns), *rows]
        parts += [f"## {title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join(parts)


def show(results: Any, explanation: str, tables: Iterable[Figures], as_json: bool) -> None:
    """Print tables, or the results (a dataclass) as one JSON document."""
    if as_json:
        print(json.dumps(asdict(results), indent=2))
    else:
        print_figures(explanation, tables)


def write_page(page: Path, template: Path, explanation: str, tables: Iterable[Figures]) -> None:
    """Write a page of the docs from its template."""
    text = template.read_text(encoding="utf-8")
    page.write_text(text.replace("{{figures}}", markdown(explanation, tables)), encoding="utf-8")


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, with everything stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
