"""`tracking days`, `archive`, `prune` and `read-archive`: the days of the logs, on servers and in files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import click
import orjson

from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table, progress
from streams_app.commands.opening import chosen_regions, region_option
from streams_app.databases import Databases
from streams_app.settings import Role, Settings, load_settings
from streams_app.systems.tracking.archive import Outcome, alone, archive_day, stays
from streams_app.systems.tracking.archive_files import ArchiveError, damage, file_of, load_manifest, read_rows
from streams_app.systems.tracking.archive_prune import Place, owner, prune_partition, would_prune
from streams_app.systems.tracking.archive_rows import prune_keys, prune_rows
from streams_app.systems.tracking.days import LOGS, Day, days_of, ensure_days, oldest_kept, state

# The topics keep a record for a week, and longer until its segment is closed, which takes a week at most. Until then
# it may come again, and only its key tells that it was processed.
KEYS_KEPT = 15
# A day that has just ended may still get rows of a transaction that began in it.
_YOUNGEST = 2


class DaysParam(click.ParamType):
    """A number of days: 30d, or 30."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Fails for what is none, or too small."""
        text = str(value).removesuffix("d")
        if not text.isdecimal() or not _YOUNGEST <= int(text) <= 36_500:
            self.fail(f"{value}: expected a number of days from {_YOUNGEST} on, such as 30d", param, ctx)
        return int(text)


older_than = click.option("--older-than", type=DaysParam(), help="Days older than that.  [default: tracking.keep_days]")
dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("days")
@click.option("--ahead", type=click.IntRange(0, 400), help="Days to make ahead.  [default: tracking.days_ahead]")
@region_option
@json_option
@asynchronous
async def days_command(ahead: int | None, region: str | None, as_json: bool) -> None:
    """Make the days that rows will be written to, and list all that are there."""
    made: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = []
    async with _opened("app") as (settings, databases):
        for name in chosen_regions(settings, region):
            made[name] = await ensure_days(databases, name, settings.tracking.days_ahead if ahead is None else ahead)
    async with _opened("readonly") as (settings, databases):
        for name in made:
            today, days = await days_of(databases, name)
            rows += [_described(settings, name, today, day) for day in days]
    if as_json:
        print_json({"made": made, "days": rows})
        return
    columns = ("region", "log", "day", "rows", "bytes", "open", "state")
    print_table("Days of the logs (UTC; rows by estimate)", columns, [tuple(row.values()) for row in rows])
    for name, tables in made.items():
        console.print(f"{name}: {len(tables)} days made", highlight=False)


def _described(settings: Settings, region: str, today: date, day: Day) -> dict[str, Any]:
    path = file_of(settings.tracking.archive_dir, region, day.log, day.day)
    try:
        archived = load_manifest(path) is not None
    except ArchiveError:
        archived = False
    shown = state(day, today, settings.tracking.keep_days, archived)
    return {
        "region": region,
        "log": day.log,
        "day": day.day,
        "rows": day.rows,
        "bytes": day.size,
        "open": day.open,
        "state": shown,
    }


@click.command("archive")
@older_than
@click.option("--into", type=FOLDER, help="Where the files go.  [default: tracking.archive_dir]")
@region_option
@dry_run
@json_option
@asynchronous
async def archive_command(
    older_than: int | None, into: Path | None, region: str | None, dry_run: bool, as_json: bool
) -> int:
    """Write old days of the logs to files, and read them back. Nothing is removed.

    A day with events that are still on their way stays. Exit status 1: some day could not be archived.
    """
    outcomes: list[Outcome] = []
    async with _opened("readonly") as (settings, databases):
        into = into or settings.tracking.archive_dir
        with alone(into) if not dry_run else _nothing(), _sentences():
            for name in chosen_regions(settings, region):
                today, days = await days_of(databases, name)
                kept_from = oldest_kept(today, older_than or settings.tracking.keep_days)
                for day in (day for day in days if day.day < kept_from):
                    outcomes.append(stays(name, day) or await _archive(settings, name, day, into, dry_run))
    return _report("Archive", outcomes, as_json)


async def _archive(settings: Settings, region: str, day: Day, into: Path, dry: bool) -> Outcome:
    if dry:
        return Outcome(region, day.log, day.day, "would be archived", day.rows)
    with progress(f"{region} {day.table}") as bar:
        try:
            return await asyncio.to_thread(archive_day, settings, region, day, into, lambda: bar(1, day.rows or 0))
        except ArchiveError as error:
            return Outcome(region, day.log, day.day, "refused", None, str(error))


@click.command("prune")
@older_than
@click.option("--from", "source", type=FOLDER, help="Where the archives are.  [default: tracking.archive_dir]")
@click.option("--keys-kept", type=click.IntRange(KEYS_KEPT), help=f"Days that keys stay, at least {KEYS_KEPT}.")
@region_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run
@json_option
@asynchronous
async def prune_command(source: Path | None, yes: bool, dry_run: bool, as_json: bool, **options: Any) -> int:
    """Drop old days whose archives are what the server has, then the keys of days that are gone.

    Run it again after a failure: it goes on where it stood. Exit status 1: some day was refused.
    """
    outcomes: list[Outcome] = []
    async with _opened("readonly") as (settings, databases):
        source = source or settings.tracking.archive_dir
        names = chosen_regions(settings, options["region"])
        if not (yes or dry_run):
            click.confirm(f"Drop the archived days of {', '.join(names)} from the servers?", abort=True, err=True)
        days = options["older_than"] or settings.tracking.keep_days
        keys = options["keys_kept"] or max(days, KEYS_KEPT)
        with alone(source), _sentences():
            for name in names:
                outcomes += await _prune(settings, databases, name, source, (days, keys), dry_run)
    return _report("Prune", outcomes, as_json)


async def _prune(
    settings: Settings, databases: Databases, region: str, source: Path, ages: tuple[int, int], dry: bool
) -> list[Outcome]:
    today, days = await days_of(databases, region)
    by_day = settings.database.dialect == "postgres"
    outcomes: list[Outcome] = []
    with owner(settings, region) as connection, progress(f"{region}") as bar:
        place = Place(connection, region, source)
        old = [day for day in days if day.day < oldest_kept(today, ages[0])]
        for day in old:
            waits = stays(region, day) if day.is_whole else None
            if waits is None:
                waits = await asyncio.to_thread(_prune_day(by_day, dry), place, day)
            outcomes.append(waits)
            bar(1, len(old))
        if not dry:
            _, left = await days_of(databases, region)
            for log in LOGS:
                kept = [day.day for day in left if day.log == log]
                until = oldest_kept(today, ages[1])
                outcomes.append(await asyncio.to_thread(prune_keys, place, log, kept, until))
    return outcomes


def _prune_day(by_day: bool, dry: bool) -> Callable[[Place, Day], Outcome]:
    if dry:
        return would_prune
    return prune_partition if by_day else prune_rows


@click.command("read-archive")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--event-id", help="Only the rows of this event.")
@click.option("--limit", type=click.IntRange(1), help="Most rows.  [default: 100 in a table, all with --json]")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as they are in the file, one a line.")
@asynchronous
async def read_command(file: Path, event_id: str | None, limit: int | None, as_json: bool) -> None:
    """Print rows of an archived day; no server is asked."""
    with _sentences():
        manifest = load_manifest(file)
        wrong = "it has no manifest" if manifest is None else damage(file, manifest)
        if wrong is not None:
            click.echo(f"warning: {wrong}", err=True)
        rows = (line for line in read_rows(file) if event_id is None or orjson.loads(line)["event_id"] == event_id)
        if as_json:
            for line in islice(rows, limit):
                sys.stdout.write(line.decode() + "\n")
            return
        shown = [orjson.loads(line) for line in islice(rows, limit or 100)]
    columns = ("id", "created_at", "event_id", "topic", "event_type", "status", "error_message")
    print_table(file.name, columns, [[row.get(column) for column in columns] for row in shown])


def _report(title: str, outcomes: list[Outcome], as_json: bool) -> int:
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        rows = [(o.region, o.log, o.day, o.result, o.rows, o.why) for o in outcomes]
        print_table(title, ("region", "log", "day", "result", "rows", "why"), rows)
    return 1 if any(outcome.failed for outcome in outcomes) else 0


@asynccontextmanager
async def _opened(role: Role) -> AsyncIterator[tuple[Settings, Databases]]:
    settings = load_settings()
    async with Databases(settings, role) as databases:
        yield settings, databases


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except ArchiveError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the archive'}: {error.strerror or error}") from None


@contextmanager
def _nothing() -> Iterator[None]:
    yield


ARCHIVE_COMMANDS: list[click.Command] = [days_command, archive_command, prune_command, read_command]
