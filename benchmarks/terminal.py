"""What every benchmark shows while it runs, and how it is ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(runs: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr, on a terminal only; call what it yields with the name of each run as it begins."""
    stderr = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("starting the stack", total=runs, completed=-1)
        yield lambda name: bar.update(task, description=name, advance=1)


def end_like_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, with everything stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
