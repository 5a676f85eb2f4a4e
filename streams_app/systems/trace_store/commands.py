"""`traces`: what people ask the store of code generation sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson

from streams_app.commands.console import asynchronous, console, json_option, print_json, say
from streams_app.commands.opening import Moment, opened
from streams_app.systems.trace_store import session_tables
from streams_app.systems.trace_store.chains import MOST_HOPS
from streams_app.systems.trace_store.load_commands import load_command
from streams_app.systems.trace_store.maintenance_commands import MAINTENANCE_COMMANDS
from streams_app.systems.trace_store.model import SessionTrace
from streams_app.systems.trace_store.reading import MOST_EVENTS
from streams_app.systems.trace_store.tracer import MOST_HOURS, CodegenEventTracer
from streams_app.systems.trace_store.waterfall import Waterfall, waterfall
from streams_app.systems.trace_store.waterfall_pictures import svg, terminal


class JsonObject(click.ParamType):
    """A JSON object on the command line."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What it says."""
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            self.fail(f'{value}: {error}; expected an object, such as \'{{"node_type": "effect"}}\'', param, ctx)


limit_option = click.option(
    "--limit", type=click.IntRange(1, MOST_EVENTS), default=100, show_default=True, help="Most to show."
)
after_option = click.option("--after", metavar="CURSOR", help="Go on where the page before ended.")
hours_option = click.option(
    "--hours",
    type=click.FloatRange(0, MOST_HOURS, min_open=True),
    default=24.0,
    show_default=True,
    help="How far to look back.",
)


@click.group("traces")
def traces_group() -> None:
    """Look at the events of code generation sessions: what happened, how long it took, what led to what."""


@traces_group.command("sessions")
@limit_option
@after_option
@json_option
@asynchronous
async def sessions_command(limit: int, after: str | None, as_json: bool) -> None:
    """List sessions, the one with the newest event first, with the figures of their last refresh."""
    async with _tracer() as tracer:
        page = await tracer.sessions(limit, after)
    if as_json:
        print_json(page)
    else:
        session_tables.print_sessions(page)


@traces_group.command("session")
@click.argument("session_id", type=click.UUID)
@hours_option
@limit_option
@after_option
@click.option("--waterfall", "as_picture", is_flag=True, help="Draw one bar for each exchange instead.")
@click.option("--svg", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write that picture to a file.")
@json_option
@asynchronous
async def session_command(
    session_id: UUID, hours: float, limit: int, after: str | None, as_picture: bool, file: Path | None, as_json: bool
) -> None:
    """Show the events of a session, oldest first, as a table, as JSON or as a picture.

    A picture shows the first 10,000 events, and at most 60 exchanges: --limit and --after are for the table.
    """
    if as_picture or file is not None:
        if as_json or after is not None:
            raise click.UsageError("--waterfall and --svg show the whole session: leave --json and --after out")
        limit = MOST_EVENTS
    async with _tracer() as tracer:
        trace = await tracer.trace_session_events(session_id, hours, limit, after)
    if not trace.total:
        raise click.ClickException(
            f"{trace.region} has no events of session {session_id} in the last {hours:g} hours: look further back with "
            "--hours, or list sessions with `traces sessions`"
        )
    if as_picture or file is not None:
        _draw(waterfall(session_id, trace.page.events, trace.total), as_picture, file)
    elif as_json:
        print_json(trace)
    else:
        _print_session(trace)


@traces_group.command("metrics")
@click.argument("session_id", type=click.UUID)
@json_option
@asynchronous
async def metrics_command(session_id: UUID, as_json: bool) -> None:
    """Show the figures of a session: counts, success, times by type and topic, and what is slow."""
    async with _tracer() as tracer:
        metrics = await tracer.get_session_metrics(session_id)
    if metrics is None:
        raise click.ClickException(f"no event of session {session_id} is stored: list sessions with `traces sessions`")
    if as_json:
        print_json(session_tables.metrics_dict(metrics))
    else:
        session_tables.print_metrics(metrics)


@traces_group.command("correlation")
@click.argument("correlation_id", type=click.UUID)
@click.option(
    "--hops", type=click.IntRange(0, MOST_HOPS), default=5, show_default=True, help="How far, in each direction."
)
@click.option("--limit", type=click.IntRange(1, MOST_EVENTS), default=1000, show_default=True, help="Most events.")
@json_option
@asynchronous
async def correlation_command(correlation_id: UUID, hops: int, limit: int, as_json: bool) -> None:
    """Show an exchange, what it followed from (hops below 0) and what followed from it, in all regions."""
    async with _tracer() as tracer:
        trace = await tracer.find_correlated_events(correlation_id, hops, limit)
    if not trace.exchanges:
        raise click.ClickException(f"no region has events of {correlation_id}; months that were dropped are gone")
    if as_json:
        print_json(session_tables.correlation_dict(trace))
    else:
        session_tables.print_correlation(trace)


@traces_group.command("search")
@click.option("--payload", type=JsonObject(), help='What payloads hold, such as \'{"node_type": "effect"}\'.')
@click.option("--metadata", type=JsonObject(), help='What metadata hold, such as \'{"source": "omniclaude"}\'.')
@click.option("--since", type=Moment(), help="Only since then: an ISO 8601 time, else UTC, or a span (2h).")
@click.option("--until", type=Moment(), help="Only before then.")
@limit_option
@after_option
@json_option
@asynchronous
async def search_command(
    payload: Any,
    metadata: Any,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Find events by what they hold, in all regions, newest first. Fields are compared whole, objects within too."""
    async with _tracer() as tracer:
        page = await tracer.search(payload, metadata, since, until, limit, after)
    if as_json:
        print_json(page)
    else:
        session_tables.print_found(page)


@traces_group.command("slow-topics")
@limit_option
@json_option
@asynchronous
async def slow_topics_command(limit: int, as_json: bool) -> None:
    """Show the topics of the last 24 hours in each region, the slowest on average first."""
    async with _tracer() as tracer:
        topics = await tracer.slow_topics(limit)
    if as_json:
        print_json(topics)
    else:
        session_tables.print_topics(topics)


@asynccontextmanager
async def _tracer() -> AsyncIterator[CodegenEventTracer]:
    """A tracer on open databases; what it does not take becomes a usage error."""
    async with opened("readonly") as (_, databases):
        try:
            yield CodegenEventTracer(databases)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def _print_session(trace: SessionTrace) -> None:
    if trace.page.events:
        session_tables.print_session(trace)
    else:
        say("no events after that")


def _draw(picture: Waterfall, on_terminal: bool, file: Path | None) -> None:
    if on_terminal:
        for line in terminal(picture, console.width):
            console.print(line, soft_wrap=True)
    if file is not None:
        try:
            file.write_text(svg(picture), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{file}: {error.strerror}; choose another file") from None
        say(f"{file}: {len(picture.bars)} exchanges of session {picture.session_id}")


for _command in (load_command, *MAINTENANCE_COMMANDS):
    traces_group.add_command(_command)

COMMANDS: list[click.Command] = [traces_group]
