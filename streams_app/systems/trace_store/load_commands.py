"""`traces load`: sessions to try the store with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import click

from streams_app.commands.console import asynchronous, json_option, print_json, progress, say, stop_on_signal
from streams_app.databases import Databases
from streams_app.delivery.ports import Rejected
from streams_app.delivery.replays import duration, moment
from streams_app.errors import RegionUnavailableError, StartError
from streams_app.settings import Settings, load_settings
from streams_app.systems.trace_store.generate.generator import Blueprint
from streams_app.systems.trace_store.generate.loading import RecordSink, TableSink, load

SinkFactory: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[RecordSink]]
#: What opens the way to the topics; the composition root sets it.
topic_sink: SinkFactory | None = None


@click.command("load")
@click.option("--events", type=click.IntRange(1, 100_000_000), default=10_000, show_default=True, help="How many.")
@click.option("--sessions-seed", "seed", type=int, help="The same seed makes the same sessions.  [default: a new one]")
@click.option("--span", default="1d", show_default=True, help="Over which time they are spread, such as 2h or 30d.")
@click.option("--until", help="When that time ends: ISO 8601, else UTC.  [default: now]")
@click.option(
    "--into",
    type=click.Choice(["topics", "tables"]),
    default="topics",
    show_default=True,
    help="Topics: workers store them; tables: stored at once, without Kafka.",
)
@json_option
@asynchronous
async def load_command(
    events: int, seed: int | None, span: str, until: str | None, into: str, as_json: bool
) -> int | None:
    """Make sessions of code generation: requests and their answers, failures, dead letters, statuses.

    The same seed again, with the same number, span and end, makes the same events, which the store has once. Ctrl-C
    ends it: what is on its way is finished. Exit status 130: it was ended so.
    """
    settings = load_settings()
    blueprint = _blueprint(events, seed, span, until, settings)
    async with _opened(settings, into) as sink:
        with progress("events") as on_progress, stop_on_signal() as stop:
            loaded = await load(blueprint, sink, stop, on_progress)
    if as_json:
        print_json({"seed": blueprint.seed, "into": into, **asdict(loaded), "per_second": round(loaded.per_second, 1)})
    else:
        old = loaded.events - loaded.new
        say(
            f"{loaded.new:,} events into {into} in {loaded.seconds:.1f} s ({loaded.per_second:,.0f}/s)"
            f"{f', {old:,} already there' if old else ''}; seed {blueprint.seed}, until {blueprint.until.isoformat()}"
        )
    return None if loaded.events == events else 130


def _blueprint(events: int, seed: int | None, span: str, until: str | None, settings: Settings) -> Blueprint:
    try:
        length, end = duration(span), datetime.now(UTC) if until is None else moment(until)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    retention = settings.trace_store.retention_days
    if not timedelta(0) < length < end - datetime.now(UTC) + timedelta(days=retention):
        raise click.UsageError(f"--span {span}: expected more than nothing, and no older than {retention} days")
    return Blueprint(secrets.randbelow(2**31) if seed is None else seed, events, end, length)


@asynccontextmanager
async def _opened(settings: Settings, into: str) -> AsyncIterator[RecordSink]:
    """Where the events go. Raises StartError when it is not there, or takes one of them for wrong."""
    try:
        if into == "topics":
            assert topic_sink is not None
            async with topic_sink(settings) as sink:
                yield sink
        else:
            async with Databases(settings) as databases:
                yield TableSink(databases, settings.trace_store)
    except RegionUnavailableError as error:
        raise StartError(f"{error}; look at its database and pooler") from None
    except Rejected as error:
        raise StartError(f"{error.reason}: {error.detail}") from None
