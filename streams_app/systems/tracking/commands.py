"""`tracking`: what people do with the logs of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

import click

from streams_app.commands.console import asynchronous, json_option, print_json
from streams_app.commands.opening import opened
from streams_app.delivery.replays import duration
from streams_app.systems.tracking import lookups, resend_commands
from streams_app.systems.tracking.alerts import judge, limits_of
from streams_app.systems.tracking.archive_commands import ARCHIVE_COMMANDS
from streams_app.systems.tracking.command_options import (
    BEGINNING,
    service_option,
    side_option,
    since_option,
    topic_option,
)
from streams_app.systems.tracking.event_tables import print_account, print_failed, print_trace
from streams_app.systems.tracking.figures import all_figures
from streams_app.systems.tracking.status_tables import print_status, status_dict
from streams_app.systems.tracking.summaries import Side


@click.group("tracking")
def tracking_group() -> None:
    """Look at the logs of published and consumed events, and let events be tried, or sent, again."""


@tracking_group.command("status")
@click.option("--window", default="15m", show_default=True, metavar="SPAN", help="Of which events, such as 15m or 2h.")
@json_option
@asynchronous
async def status_command(window: str, as_json: bool) -> int:
    """Show what waits, how much went through and how fast, by region and service, and the alerts that hold.

    An event counts in the window that it was created in. Times are exact to 5 %. Exit status 1: an alert holds.
    """
    try:
        seconds = duration(window).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--window") from None
    if seconds <= 0:
        raise click.BadParameter(f"{window}: expected more than nothing", param_hint="--window")
    async with opened("readonly") as (settings, databases):
        figures = await all_figures(databases, seconds)
    alerts = judge(figures, limits_of(settings.tracking))
    if as_json:
        print_json(status_dict(figures, alerts, seconds))
    else:
        print_status(figures, alerts, seconds, window)
    return 1 if alerts else 0


@tracking_group.command("failed")
@side_option
@topic_option
@service_option
@since_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to show.")
@json_option
@asynchronous
async def failed_command(
    side: str | None, topic: str | None, service: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List events that were given up, the newest first."""
    wanted = lookups.Filter(since or BEGINNING, Side(side) if side else None, topic, service)
    async with opened("readonly") as (_, databases):
        rows = await lookups.failed(databases, wanted, limit)
    _show(rows, print_failed, as_json)


@tracking_group.command("show")
@click.argument("event_id")
@json_option
@asynchronous
async def show_command(event_id: str, as_json: bool) -> None:
    """Show all that is known of an event: its rows on both sides, keys, errors, stack trace, payload, conflicts."""
    async with opened("readonly") as (_, databases):
        account = await lookups.account(databases, event_id)
        regions = ", ".join(databases.regions.names)
    if not account.known:
        raise click.ClickException(f"no log of {regions} has an event {event_id}; older days may be in the archive")
    if as_json:
        print_json(asdict(account))
    else:
        print_account(account)


@tracking_group.command("trace")
@click.argument("correlation_id")
@json_option
@asynchronous
async def trace_command(correlation_id: str, as_json: bool) -> None:
    """Show the flow of what belongs together through all services and regions, in time order.

    At most 1000 events of each log and region are read, the oldest.
    """
    async with opened("readonly") as (_, databases):
        trace = await lookups.trace(databases, correlation_id)
        regions = ", ".join(databases.regions.names)
    if not trace.steps:
        raise click.ClickException(f"no log of {regions} has events of {correlation_id}; older days may be archived")
    if as_json:
        print_json(trace.as_dict())
    else:
        print_trace(trace)


def _show(rows: list[lookups.Row], table: Callable[[list[lookups.Row]], None], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        table(rows)


for _command in (*resend_commands.COMMANDS, *ARCHIVE_COMMANDS):
    tracking_group.add_command(_command)

COMMANDS: list[click.Command] = [tracking_group]
