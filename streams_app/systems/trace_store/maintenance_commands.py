"""`traces prune` and `traces maintenance`: old months go, and people see what the store takes and what is slow."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime

import click

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, progress, say
from streams_app.commands.opening import chosen_regions, region_option
from streams_app.commands.pruning import confirm, prune_options, show
from streams_app.databases import Databases
from streams_app.settings import load_settings
from streams_app.systems.trace_store.maintenance import Condition, Pruned, condition_of, prune_region


@click.command("prune")
@click.option(
    "--older-than",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    help="Months that are over for so long.  [default: trace_store.retention_days]",
)
@prune_options
@asynchronous
async def prune_command(older_than: int | None, region: str | None, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Drop old months from the store; those who read and write do not wait. Run it every day.

    Run it again after a failure: it goes on where it stood. Exit status 1: some month was refused.
    """
    settings = load_settings()
    names, days = chosen_regions(settings, region), older_than or settings.trace_store.retention_days
    question = f"Drop months that ended more than {days} days ago, of {', '.join(names)}?"
    elsewhere = "CockroachDB itself removes old events: see ttl_expiration_expression of event_logs"
    confirm(settings, question, elsewhere, yes=yes, dry_run=dry_run, as_json=as_json)
    done: list[Pruned] = []
    with progress("pruning") as bar:
        for name in names:
            done += await asyncio.to_thread(prune_region, settings, name, days, dry=dry_run)
            bar(1, len(names))
    rows = [(item.region, item.month, item.result, f"{item.rows:,}", item.why) for item in done]
    return show("Months", ("region", "month", "result", "rows", "why"), done, rows, as_json=as_json)


@click.command("maintenance")
@region_option
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="Slow statements to show.")
@json_option
@asynchronous
async def maintenance_command(region: str | None, limit: int, as_json: bool) -> None:
    """Show what the store takes: rows and bytes of every month, use of every index, dead rows, slow statements."""
    settings = load_settings()
    async with Databases(settings, "readonly") as databases:
        found = [await condition_of(databases, name, limit) for name in chosen_regions(settings, region)]
    if as_json:
        print_json([asdict(item) for item in found])
        return
    for item in found:
        _print(item)


def _print(found: Condition) -> None:
    tables = [
        (
            name,
            f"{rows:,}",
            _bytes(size),
            _bytes(of_indexes),
            f"{dead:,}",
            _share(dead, rows),
            _moment(vacuumed),
            _moment(analyzed),
        )
        for name, rows, size, of_indexes, dead, vacuumed, analyzed in found.tables
    ]
    columns = ("table", "rows", "size", "indexes", "dead rows", "dead", "last vacuum", "last analyze")
    print_rows(f"{found.region}: tables", columns, tables)
    indexes = [(name, _bytes(size), f"{scans:,}", f"{read:,}") for name, size, scans, read in found.indexes]
    print_rows(f"{found.region}: indexes", ("index", "size", "scans", "rows read"), indexes)
    if found.statements is None:
        say(
            f"{found.region}: no slow statements are known: an administrator may add pg_stat_statements to "
            "shared_preload_libraries and run CREATE EXTENSION pg_stat_statements"
        )
        return
    slow = [(f"{mean:,.2f} ms", f"{calls:,}", f"{rows:,}", text) for mean, calls, rows, text in found.statements]
    print_rows(f"{found.region}: slow statements", ("average", "calls", "rows", "statement"), slow)


def _bytes(size: float) -> str:
    value, units = size, ["B", "kB", "MB", "GB", "TB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:,.0f} {units[0]}" if units[0] == "B" else f"{value:,.1f} {units[0]}"


def _moment(when: datetime | None) -> str:
    return "never" if when is None else f"{when:%Y-%m-%d %H:%M:%S}"


def _share(part: int, whole: int) -> str:
    return f"{part / (part + whole):.1%}" if part else "0 %"


MAINTENANCE_COMMANDS: list[click.Command] = [prune_command, maintenance_command]
