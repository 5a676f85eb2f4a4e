"""`trading`: signals are made, orders and events are looked at, an exchange is simulated."""

from __future__ import annotations

from typing import Any

import click

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, say
from streams_app.commands.opening import chosen_regions, opened, region_option
from streams_app.systems.trading import lookups
from streams_app.systems.trading.exchange_commands import exchange_command
from streams_app.systems.trading.generate_commands import generate_command, schedule_command

limit_option = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to show."
)


@click.group("trading")
def trading_group() -> None:
    """Signals, decisions and orders: make some, look at them, prove that each counted once."""


@trading_group.command("orders")
@region_option
@limit_option
@json_option
@asynchronous
async def orders_command(region: str | None, limit: int, as_json: bool) -> None:
    """Show the newest orders, and how many there are in each status."""
    async with opened("readonly") as (settings, databases):
        regions = chosen_regions(settings, region)
        rows = await lookups.newest_orders(databases, regions, limit)
        counts = await lookups.orders_by_status(databases, regions)
    if as_json:
        print_json({"by_status": counts, "orders": rows})
        return
    print_rows("Orders", lookups.ORDER_COLUMNS, [_cells(row) for row in rows])
    say(", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "no orders")


@trading_group.command("outbox")
@region_option
@limit_option
@json_option
@asynchronous
async def outbox_command(region: str | None, limit: int, as_json: bool) -> None:
    """Show the newest events of the outboxes."""
    async with opened("readonly") as (settings, databases):
        rows = await lookups.newest_events(databases, chosen_regions(settings, region), limit)
    if as_json:
        print_json(rows)
        return
    print_rows("Outbox", lookups.EVENT_COLUMNS, [_cells(row) for row in rows])
    say(f"{len(rows):,} events shown")


def _cells(row: dict[str, Any]) -> list[Any]:
    first, *rest = row.values()
    return [f"{first:%Y-%m-%d %H:%M:%S.%f}", *rest]


trading_group.add_command(generate_command)
trading_group.add_command(schedule_command)
trading_group.add_command(exchange_command)
