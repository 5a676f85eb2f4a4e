"""`trading prune`: old days of the outbox go, when all of their events are on the topic."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import click

from streams_app.commands.console import asynchronous, progress
from streams_app.commands.opening import chosen_regions
from streams_app.commands.pruning import confirm, prune_options, show
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
@prune_options
@asynchronous
async def prune_command(older_than: int | None, region: str | None, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Drop old days of the outbox; those who write do not wait. Run it every day.

    A day with an event that is not on trading.orders stays. Run it again after a failure: it goes on where it stood.
    Exit status 1: some day was refused.
    """
    settings = load_settings()
    names, days = chosen_regions(settings, region), older_than or settings.trading.outbox_keep_days
    question = f"Drop days of the outbox older than {days} days, of {', '.join(names)}?"
    elsewhere = "CockroachDB itself removes old events: see ttl_expiration_expression of app.outbox"
    confirm(settings, question, elsewhere, yes=yes, dry_run=dry_run, as_json=as_json)
    published = await _published(settings)
    kept_since = datetime.now(UTC) - timedelta(days=TOPIC_DAYS)
    done: list[Pruned] = []
    with progress("pruning") as bar:
        for name in names:
            done += await asyncio.to_thread(prune_region, settings, name, days, published, kept_since, dry=dry_run)
            bar(1, len(names))
    rows = [(item.region, item.day, item.result, f"{item.rows:,}", item.why) for item in done]
    return show("Days of the outbox", ("region", "day", "result", "rows", "why"), done, rows, as_json=as_json)


async def _published(settings: Settings) -> set[str]:
    """The ids of the events that are on the topic."""
    found = [read_order_event(record) async for record in records_of(settings, [ORDERS])]
    return {str(event.event_id) for event in found if event is not None}
