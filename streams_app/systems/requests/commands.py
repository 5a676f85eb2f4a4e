"""`generate`, `sample-data` and `requests`: the commands of the requests system."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams_app.commands.console import asynchronous, console, json_option, print_json, stop_on_signal
from streams_app.databases import Databases
from streams_app.errors import StartError
from streams_app.settings import Role, Settings, load_settings
from streams_app.systems.requests.generate.generation import Generation, Order, Totals, check_regions
from streams_app.systems.requests.generate.generator import Blueprint, parse_mix
from streams_app.systems.requests.generate.producer import write_sample
from streams_app.systems.requests.generate.sample import SampleError, outcomes, sample
from streams_app.systems.requests.model import RequestType, SignalKind, Status
from streams_app.systems.requests.signals import RequestEndedError, UnknownRequestError, send_signal
from streams_app.systems.requests.stories import Filter, newest, story
from streams_app.systems.requests.story_tables import print_list, print_story
from streams_app.systems.requests.workflow import WorkflowBook, load_workflows
from streams_app.systems.requests.workflow_file import WorkflowError

DEFAULT_MIX = "onboarding=1,profile=4,permission=2,close=1,rebalance=3"


@click.command("generate")
@click.option("--rate", type=click.FloatRange(0), default=0, show_default=True, help="Requests a second; 0: no limit.")
@click.option("--total", type=click.IntRange(1), help="How many requests; without it, for ever.")
@click.option("--mix", default=DEFAULT_MIX, show_default=True, help="Types and their weights.")
@click.option("--regions", help="Only requests of these regions, separated by commas.  [default: all]")
@click.option("--seed", help="The same seed (any text) makes the same requests.  [default: a new one]")
@click.option("--skew", type=click.FloatRange(0, 5), default=1.0, show_default=True, help="0: all accounts alike busy.")
@click.option(
    "--accounts",
    type=click.IntRange(50, 100_000),
    default=1000,
    show_default=True,
    help="Open accounts that a region shares.",
)
@click.option("--trades/--no-trades", default=True, show_default=True, help="Initial trades with changes of strategy.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=500, show_default=True, help="Most in a transaction.")
@click.option("--answer", is_flag=True, help="Also approve, refuse, deliver documents and cancel.")
@click.option("--answer-only", is_flag=True, help="Answer the requests that are there, and write none.")
@json_option
@asynchronous
async def generate_command(as_json: bool, **options: Any) -> None:
    """Write account requests, as clients and advisors would; with --answer, play the approvers too.

    With --total it ends when all are written; with --answer as well, when all of them have ended. Ctrl-C ends it at
    any time: what is being written is finished. The same seed again, with the same options, adds nothing.
    """
    if options["answer_only"] and options["total"]:
        raise click.UsageError("--answer-only writes nothing: --total has no meaning beside it")
    async with _opened("app") as (settings, book, databases):
        order = _order(options, settings)
        await check_regions(databases, book, order.regions)
        with _progress() as bar, stop_on_signal() as stop:
            show = _shown(bar, order)
            totals = await Generation(databases, book, order, show).run(stop)
    _report(totals, order, as_json)


def _order(options: dict[str, Any], settings: Settings) -> Order:
    try:
        mix = parse_mix(options["mix"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--mix") from None
    names = [name.strip() for name in (options["regions"] or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in settings.regions]
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: expected some of {', '.join(settings.regions)}", param_hint="--regions"
        )
    return Order(
        blueprint=Blueprint(
            seed=options["seed"] or secrets.token_hex(4),
            mix=mix,
            skew=options["skew"],
            accounts=options["accounts"],
            trades=options["trades"],
        ),
        regions=names or list(settings.regions),
        rate=options["rate"],
        total=options["total"],
        batch=options["batch"],
        write=not options["answer_only"],
        answer=options["answer"] or options["answer_only"],
    )


def _shown(bar: Progress, order: Order) -> Callable[[Totals], None]:
    task = bar.add_task("requests" if order.write else "answers", total=order.total, note="")

    def show(totals: Totals) -> None:
        note = f"{totals.per_second:,.0f}/s"
        if order.answer:
            note += f", {totals.signals:,} answers"
        if totals.open is not None:
            note += f", {totals.open:,} open"
        done = totals.new + totals.already_there if order.write else totals.signals
        bar.update(task, completed=done, note=note)

    return show


def _report(totals: Totals, order: Order, as_json: bool) -> None:
    if as_json:
        print_json({"seed": order.blueprint.seed, **asdict(totals), "per_second": round(totals.per_second, 1)})
        return
    words = []
    if order.write:
        words.append(f"{totals.new:,} requests written in {totals.seconds:.1f} s ({totals.per_second:,.0f}/s)")
        words.append(f"{totals.already_there:,} already there")
    if order.answer:
        words.append(f"{totals.signals:,} answers")
    if totals.open is not None:
        words.append(f"{totals.open:,} still open")
    console.print(f"{', '.join(words)}; seed {order.blueprint.seed}", highlight=False, markup=False, soft_wrap=True)


@click.command("sample-data")
@click.option("--accounts", type=click.IntRange(0), default=10_000, show_default=True, help="How many accounts.")
@click.option("--requests", type=click.IntRange(0), default=1_000, show_default=True, help="How many requests.")
@click.option("--trades", type=click.IntRange(0), default=5_000, show_default=True, help="How many trades.")
@json_option
@asynchronous
async def sample_command(accounts: int, requests: int, trades: int, as_json: bool) -> None:
    """Fill the regions with accounts, and with requests in every state, each with its history.

    The same numbers again add nothing.
    """
    async with _opened("app") as (settings, book, databases):
        await check_regions(databases, book, list(settings.regions))
        try:
            made = sample(
                book,
                databases.regions,
                accounts=accounts,
                requests=requests,
                trades=trades,
                now=datetime.now(UTC),
            )
        except SampleError as error:
            raise click.UsageError(str(error)) from None
        with _progress() as bar:
            task = bar.add_task("rows", total=accounts + requests, note="")
            new = await write_sample(databases, made, lambda count: bar.advance(task, count))
    by_status = outcomes(made.histories)
    if as_json:
        print_json({"new_accounts": new[0], "new_requests": new[1], "by_status": by_status})
        return
    counts = ", ".join(f"{status} {count:,}" for status, count in sorted(by_status.items()))
    console.print(
        f"{new[0]:,} accounts and {new[1]:,} requests are new; all requests: {counts}", highlight=False, soft_wrap=True
    )


@click.group("requests")
def requests_group() -> None:
    """Look at account requests, and say what the outside world says of them."""


def _signal_command(kind: SignalKind, text: str) -> click.Command:
    @click.command(kind.value, help=f"{text}\n\nSaying it twice is saying it once.")
    @click.argument("request_id", type=click.UUID)
    @click.option("--actor", default=getpass.getuser, help="Who says so.  [default: your user name]")
    @click.option("--reason", help="Why; kept in the request's history.")
    @json_option
    @asynchronous
    async def command(request_id: UUID, actor: str, reason: str | None, as_json: bool) -> None:
        payload = {} if reason is None else {"reason": reason}
        async with _opened("app") as (_, _, databases):
            try:
                result = await send_signal(databases, request_id, kind, actor=actor, payload=payload)
            except (UnknownRequestError, RequestEndedError) as error:
                raise click.ClickException(str(error)) from None
        if as_json:
            print_json(asdict(result))
        else:
            console.print(f"{kind.value} {request_id}: {result.state}", highlight=False, soft_wrap=True)

    return command


for _kind, _text in (
    (SignalKind.APPROVE, "Approve a request that waits for it, or will."),
    (SignalKind.REJECT, "Refuse a request: it fails."),
    (SignalKind.DOCUMENTS, "Say that the client's documents have arrived."),
    (SignalKind.CANCEL, "Withdraw a request that has not ended, with the trades it has made."),
):
    requests_group.add_command(_signal_command(_kind, _text))


@requests_group.command("show")
@click.argument("request_id", type=click.UUID)
@json_option
@asynchronous
async def show_command(request_id: UUID, as_json: bool) -> None:
    """Tell the whole story of a request."""
    async with _opened("readonly") as (_, _, databases):
        try:
            found = await story(databases, request_id)
        except UnknownRequestError as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        print_json(asdict(found))
    else:
        print_story(found)


@requests_group.command("list")
@click.option("--state", help="Only requests in this state, such as PENDING_APPROVAL.")
@click.option("--status", type=click.Choice([s.name for s in Status], case_sensitive=False), help="Only this status.")
@click.option(
    "--type", "type_", type=click.Choice([t.name for t in RequestType], case_sensitive=False), help="One type."
)
@click.option("--region", help="Only requests of this region.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to show.")
@json_option
@asynchronous
async def list_command(
    state: str | None, status: str | None, type_: str | None, region: str | None, limit: int, as_json: bool
) -> None:
    """List requests, the newest first."""
    async with _opened("readonly") as (settings, book, databases):
        wanted = Filter(type_, status, _one_of(state and state.upper(), book.codes["states"], "--state"), limit)
        chosen = _one_of(region, settings.regions, "--region")
        rows = await newest(databases, (chosen,) if chosen else databases.regions.names, wanted)
    if as_json:
        print_json(rows)
    else:
        print_list(rows)


def _one_of(value: str | None, known: dict[str, Any], option: str) -> str | None:
    if value is not None and value not in known:
        raise click.BadParameter(f"{value}: expected one of {', '.join(known)}", param_hint=option)
    return value


@asynccontextmanager
async def _opened(role: Role) -> AsyncIterator[tuple[Settings, WorkflowBook, Databases]]:
    """Settings, workflows with their deadlines as the workers have them, and the open databases."""
    settings = load_settings()
    if not settings.regions:
        raise StartError("no regions are configured; start the local stack with `make up`, or set STREAMS_CONFIG")
    try:
        book = load_workflows(settings.workflows).scaled(settings.deadline_scale)
    except (WorkflowError, OSError) as error:
        raise StartError(str(error)) from None
    async with Databases(settings, role) as databases:
        yield settings, book, databases


def _progress() -> Progress:
    """A progress bar on stderr, on a terminal only."""
    stderr = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


COMMANDS: list[click.Command] = [generate_command, sample_command, requests_group]
