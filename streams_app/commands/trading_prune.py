"""`trading prune`: old days of the outbox go, when all of their events are on the topic."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, progress, say
from streams_app.commands.opening import chosen_regions, region_option
from streams_app.commands.whole_topics import records_of
from streams_app.settings import Settings, load_settings
from streams_app.systems.trading.order_events import read_order_event
from streams_app.systems.trading.outbox import Pruned, prune_region
from streams_app.systems.trading.verify import TOPIC_DAYS
from streams_app.topics import ORDERS


@click.command("prune")
@click.option(
    "--older-than",
    type=click.IntRange(1, 365),
    metavar="DAYS",
    help="Days that are older than so many.  [default: trading.outbox_keep_days]",
)
@region_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@asynchronous
async def prune_command(older_than: int | None, region: str | None, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Drop old days of the outbox; those who write do not wait. Run it every day.

    A day with an event that is not on trading.orders stays. Run it again after a failure: it goes on where it stood.
    Exit status 1: some day was refused.
    """
    settings = load_settings()
    names, days = chosen_regions(settings, region), older_than or settings.trading.outbox_keep_days
    if settings.database.dialect != "postgres":
        raise click.ClickException("CockroachDB itself removes old events: see ttl_expiration_expression of app.outbox")
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nothing: add --yes or --dry-run")
    if not (yes or dry_run):
        click.confirm(f"Drop days of the outbox older than {days} days, of {', '.join(names)}?", abort=True, err=True)
    published = await _published(settings)
    kept_since = datetime.now(UTC) - timedelta(days=TOPIC_DAYS)
    done: list[Pruned] = []
    with progress("pruning") as bar:
        for name in names:
            done += await asyncio.to_thread(prune_region, settings, name, days, published, kept_since, dry=dry_run)
            bar(1, len(names))
    if as_json:
        print_json([asdict(item) for item in done])
    else:
        rows = [(item.region, item.day, item.result, f"{item.rows:,}", item.why) for item in done]
        print_rows("Days of the outbox", ("region", "day", "result", "rows", "why"), rows)
        say(f"{sum(not item.failed for item in done)} of {len(done)} old days")
    return 1 if any(item.failed for item in done) else 0


async def _published(settings: Settings) -> set[str]:
    """The ids of the events that are on the topic."""
    found = [read_order_event(record) async for record in records_of(settings, [ORDERS])]
    return {str(event.event_id) for event in found if event is not None}
