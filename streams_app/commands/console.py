"""What every command shares: output as a table or as JSON, errors with the next step, a clean Ctrl-C."""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec

import click
import orjson
import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from streams_app.advice import explain
from streams_app.errors import SettingsError, StartError

P = ParamSpec("P")
console = Console()
# Rows stay in one line each, however narrow the terminal: ids can be copied, and lines be searched.
_wide = Console(width=1_000)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(data: Any) -> None:
    """Print `data` as one JSON document."""
    sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a table."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    console.print(table)


def print_rows(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows in one line each, if there are any."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        # Names and reasons come from outside: a bracket in them is no markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        _wide.print(table, soft_wrap=True)


def say(text: str) -> None:
    """Print lines as they are: a bracket in them is no markup."""
    _wide.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, on a terminal only; call what it yields with how much was done, and how much there is
    in all."""
    stderr = Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, advance=done, total=total)


def asynchronous(function: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Run an async command; its answer is the exit status. Known errors become one sentence and status 1 or 2."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = asyncio.run(function(*args, **kwargs))
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except (SettingsError, StartError) as error:
            raise click.ClickException(str(error)) from None
        except PoolTimeout as error:
            raise click.ClickException(f"a database does not answer: {error}") from None
        except psycopg.OperationalError as error:
            raise click.ClickException(f"a database does not answer: {explain(error)}") from None
        except psycopg.Error as error:
            raise click.ClickException(f"a database refuses: {explain(error)}") from None
        raise SystemExit(status or 0)

    return run


@contextmanager
def stop_on_signal() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process the hard way."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def restore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def stop() -> None:
        event.set()
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield event
    finally:
        restore()
