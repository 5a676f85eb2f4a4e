"""`allocations`: data is loaded, groups are defined, rebalances begin, are cancelled and looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import click

from streams_app.commands.console import (
    asynchronous,
    json_option,
    print_json,
    print_rows,
    progress,
    say,
    stop_on_signal,
)
from streams_app.databases import Databases
from streams_app.delivery.events import EventPublisher
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.allocations.break_commands import BREAK_COMMANDS
from streams_app.systems.allocations.group_commands import groups_group
from streams_app.systems.allocations.groups import EVERYBODY
from streams_app.systems.allocations.load_commands import load_command
from streams_app.systems.allocations.opening import opened_domains
from streams_app.systems.allocations.planning import Progress, begin, cancel, progress_of
from streams_app.systems.allocations.quotes import latest_day

PublisherFactory: TypeAlias = Callable[[Settings], EventPublisher]
#: What writes events down in holdings; the composition root sets it.
publisher_factory: PublisherFactory | None = None

_LOOK_INTERVAL: Final = 0.5


@click.group("allocations")
def allocations_group() -> None:
    """Rebalance accounts: load some, say which, and follow their orders until they are booked."""


@allocations_group.command("rebalance")
@click.option("--group", default=EVERYBODY, show_default=True, help="Which accounts: `allocations groups` lists them.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="At whose open prices.  [default: the last with prices]")
@click.option("--wait", is_flag=True, help="Until it is booked; Ctrl-C ends the waiting, not the rebalance.")
@json_option
@asynchronous
async def rebalance_command(group: str, day: datetime | None, wait: bool, as_json: bool) -> int:
    """Begin a rebalance of a group of accounts; workers do the rest.

    Exit status, with --wait: 1 when it was cancelled, 130 when the waiting was ended.
    """
    async with opened_domains("app") as (settings, databases):
        chosen = await latest_day(databases) if day is None else day.date()
        begun = await begin(databases, _publisher(settings), group, chosen, settings.allocations)
        if not as_json:
            say(f"rebalance {begun.rebalance_id}: {begun.accounts:,} accounts in {begun.slices:,} slices, at {chosen}")
        found = await _wait(databases, begun.rebalance_id) if wait else None
    if as_json:
        print_json(asdict(begun) if found is None else asdict(found))
    elif found is not None:
        say(f"{found.status}: {found.orders:,} customer orders, {found.blocks or 0:,} block orders")
    if not wait:
        return 0
    return 130 if found is None or found.ended_at is None else int(found.status != "COMPLETE")


@allocations_group.command("cancel")
@click.argument("rebalance_id", type=click.UUID)
@asynchronous
async def cancel_command(rebalance_id: UUID) -> int:
    """Cancel a rebalance: what is not executed never will be, what is executed is booked.

    Exit status 1: it has ended, or there is none of that id.
    """
    async with opened_domains("app") as (settings, databases):
        is_cancelling = await cancel(databases, _publisher(settings), rebalance_id)
    say(f"rebalance {rebalance_id} " + ("is being cancelled" if is_cancelling else "has ended, or never was"))
    return 0 if is_cancelling else 1


@allocations_group.command("rebalances")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most to show.")
@json_option
@asynchronous
async def rebalances_command(limit: int, as_json: bool) -> None:
    """Show the newest rebalances, and how far they have come."""
    async with opened_domains("readonly") as (_, databases):
        found = await progress_of(databases, limit)
    if as_json:
        print_json([asdict(item) for item in found])
        return
    columns = "begun", "rebalance", "group", "day", "status", "accounts", "slices", "orders", "blocks", "booked parts"
    print_rows("Rebalances", columns, [_cells(item) for item in found])
    say(f"{len(found):,} rebalances shown; slices are those routed, blocks those closed")


def _cells(item: Progress) -> tuple[object, ...]:
    return (
        f"{item.created_at:%Y-%m-%d %H:%M:%S}",
        item.rebalance_id,
        item.group,
        item.trading_day,
        item.status,
        f"{item.accounts:,}",
        f"{item.routed:,} of {item.slices:,}",
        f"{item.orders:,}",
        f"{item.closings:,} of {'?' if item.blocks is None else format(item.blocks, ',')}",
        f"{item.booked:,}",
    )


def _publisher(settings: Settings) -> EventPublisher:
    if publisher_factory is None:
        raise StartError("nothing that publishes is set up: run the command as `faust -A streams_app allocations …`")
    return publisher_factory(settings)


async def _wait(databases: Databases, rebalance_id: UUID) -> Progress:
    """Show how a rebalance goes on until it ends, or somebody ends the waiting; returns how far it has come."""
    done = 0
    with progress("slices and blocks") as on_progress, stop_on_signal() as stop:
        while True:
            [found] = await progress_of(databases, 1, rebalance_id)
            now = found.routed + found.closings
            on_progress(now - done, found.slices + (found.blocks or 0))
            done = now
            if found.ended_at is not None or stop.is_set():
                return found
            try:
                await asyncio.wait_for(stop.wait(), _LOOK_INTERVAL)
            except TimeoutError:
                continue


for _command in (load_command, groups_group, *BREAK_COMMANDS):
    allocations_group.add_command(_command)
