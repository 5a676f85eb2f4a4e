"""What all commands share that drop old partitions: options, the question, and how they show what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from streams_app.commands.console import json_option, print_json, print_rows, say
from streams_app.commands.opening import region_option
from streams_app.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def prune_options(function: F) -> F:
    """--region, --yes, --dry-run and --json."""
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Only say what would be done."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        region_option,
    ):
        function = option(function)
    return function


def confirm(settings: Settings, question: str, elsewhere: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Ask before anything is dropped. `elsewhere` says who does it on CockroachDB. Raises what click raises."""
    if settings.database.dialect != "postgres":
        raise click.ClickException(elsewhere)
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nothing: add --yes or --dry-run")
    if not (yes or dry_run):
        click.confirm(question, abort=True, err=True)


def show(
    title: str, columns: Sequence[str], done: Sequence[Any], rows: Iterable[Sequence[Any]], *, as_json: bool
) -> int:
    """Show what became of old partitions (dataclasses that know whether they `failed`), and a row of each.

    Returns the exit status: 1 when one was refused.
    """
    if as_json:
        print_json([asdict(item) for item in done])
    else:
        print_rows(title, columns, rows)
        say(f"{sum(not item.failed for item in done)} of {len(done)} that are old")
    return 1 if any(item.failed for item in done) else 0
