"""`allocations breaks`, `reconcile` and `settlements`: what does not match, and what is to change hands."""

from __future__ import annotations

from dataclasses import asdict, astuple, fields
from datetime import datetime

import click

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, say
from streams_app.systems.allocations.breaks import BreakRow, list_breaks
from streams_app.systems.allocations.opening import opened_domains
from streams_app.systems.allocations.reconciler import reconcile
from streams_app.systems.allocations.settlements import Settlement, settlements


@click.command("breaks")
@click.option("--all", "resolved", is_flag=True, help="Those too that were resolved.")
@json_option
@asynchronous
async def breaks_command(resolved: bool, as_json: bool) -> int:
    """Show what does not match: bookings, positions and cash below zero, prices that are not fair.

    Exit status 1: there is a break that is not resolved.
    """
    async with opened_domains("readonly") as (_, databases), databases.connection("holdings") as connection:
        rows = await list_breaks(connection, resolved=resolved)
    unresolved = sum(row.resolved_at is None for row in rows)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        print_rows("Breaks", [field.name for field in fields(BreakRow)], map(_cells, rows))
        say(f"{unresolved:,} breaks hold" if unresolved else "no break holds")
    return 1 if unresolved else 0


@click.command("reconcile")
@json_option
@asynchronous
async def reconcile_command(as_json: bool) -> None:
    """Hold what is booked against what the market executed, as workers do all the time."""
    async with opened_domains("app") as (settings, databases):
        found = await reconcile(databases, settings.allocations)
    if as_json:
        print_json(asdict(found))
    else:
        say(f"{found.ended:,} rebalances ended, {found.breaks:,} breaks found, {found.resolved:,} resolved")


@click.command("settlements")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Only those of this day.")
@click.option("--account", type=click.IntRange(0), help="Only those of this account.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to show.")
@json_option
@asynchronous
async def settlements_command(day: datetime | None, account: int | None, limit: int, as_json: bool) -> None:
    """Show what is to change hands, the latest day first, and what it comes to by day and side."""
    async with opened_domains("readonly") as (_, databases), databases.connection("holdings") as connection:
        rows, totals = await settlements(connection, day.date() if day else None, account, limit)
    if as_json:
        print_json({"totals": [asdict(total) for total in totals], "settlements": [asdict(row) for row in rows]})
        return
    print_rows("Settlements", [field.name for field in fields(Settlement)], map(astuple, rows))
    for total in totals:
        words = f"{total.quantity:,} shares of {total.orders:,} customer orders for {total.amount:,}"
        say(f"{total.settle_date} {total.side}: {words}")
    if not totals:
        say("nothing is to be settled")


def _cells(row: BreakRow) -> tuple[object, ...]:
    resolved_at = f"{row.resolved_at:%Y-%m-%d %H:%M:%S}" if row.resolved_at else None
    return row.kind, row.subject, row.detail, f"{row.found_at:%Y-%m-%d %H:%M:%S}", resolved_at


BREAK_COMMANDS: list[click.Command] = [breaks_command, reconcile_command, settlements_command]
