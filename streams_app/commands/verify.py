"""`verify`: prove from the databases that nothing was lost, doubled or disordered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import click
import psycopg
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import Progress

from streams_app.advice import explain
from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table
from streams_app.commands.topic_reading import kafka_topics
from streams_app.commands.trace_reading import TraceTopics
from streams_app.commands.trading_reading import TradingTopics
from streams_app.errors import SettingsError, StartError
from streams_app.settings import Settings, load_settings
from streams_app.systems.allocations import verify as allocations
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.verify_checks import CHECKS
from streams_app.systems.requests.workflow import load_workflows
from streams_app.systems.requests.workflow_file import WorkflowError
from streams_app.systems.trace_store import verify as traces
from streams_app.systems.tracking import verify as tracking
from streams_app.systems.trading import verify as trading
from streams_app.verification import Finding, Report

# The figures of the last line.
FIGURES = {
    "requests": ("requests", "transitions", "terminal", "open"),
    "tracking": ("published", "processed", "pending", "failed"),
    "trace_store": ("events",),
    "trading": ("orders", "outbox"),
    "allocations": ("rebalances", "blocks", "executions", "fills", "bookings"),
}


class CannotVerify(click.ClickException):
    """The checks could not be run: neither good news nor bad."""

    exit_code = 2


@click.command("verify")
@click.option(
    "--system", type=click.Choice(list(FIGURES)), default="requests", show_default=True, help="What to check."
)
@click.option(
    "--topics/--no-topics",
    default=None,
    help="Of tracked events, traces and trading, also read the topics to the end.  [default: no-topics]",
)
@click.option(
    "--samples", type=click.IntRange(1, 1000), default=3, show_default=True, help="Offenders to name a check."
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds beyond a deadline that are fine; of events, seconds that one may wait anywhere.",
)
@json_option
@asynchronous
async def verify_command(system: str, topics: bool | None, samples: int, grace: float, as_json: bool) -> int:
    """Check that nothing was lost, doubled or disordered; reads the databases alone, also while workers run.

    Of tracked events, traces and trading it can read the topics as well; `trading eos-verify` also asks the exchange.
    Exit status 0: all is well; 1: there are violations; 2: it could not be checked.
    """
    if topics is not None and system in ("requests", "allocations"):
        raise click.UsageError("--topics is for events: add --system tracking, trace_store or trading")
    try:
        report = await _report(load_settings(), system, bool(topics), samples, grace)
    except (SettingsError, StartError, WorkflowError) as error:
        raise CannotVerify(str(error)) from None
    except psycopg.OperationalError as error:
        raise CannotVerify(f"a database does not answer: {explain(error)}") from None
    except psycopg.Error as error:
        raise CannotVerify(f"a database refuses: {explain(error)}") from None
    except (TimeoutError, ConnectionError) as error:
        raise CannotVerify(f"a database does not answer: {error or 'it takes too long'}") from None
    except KafkaError as error:
        raise CannotVerify(f"the broker does not answer: {error}; is the stack up? (`make up`)") from None
    if as_json:
        print_json(report.as_dict())
    else:
        print_report(report)
    return 0 if report.clean else 1


async def _report(settings: Settings, system: str, topics: bool, samples: int, grace: float) -> Report:
    if system == "requests":
        return await _requests(settings, samples, grace)
    if system == "tracking":
        return await _tracking(settings, samples, grace, topics)
    if system == "allocations":
        return await _allocations(settings, samples, grace)
    if system == "trace_store":
        steps, read = traces.steps(settings, topics=topics), TraceTopics(settings) if topics else None
        return await _checked(traces.verify, steps, settings, samples, grace, read)
    steps, seen = trading.steps(settings, topics=topics), TradingTopics(settings) if topics else None
    return await _checked(trading.verify, steps, settings, samples, grace, seen)


async def _requests(settings: Settings, samples: int, grace: float) -> Report:
    book = load_workflows(settings.workflows).scaled(settings.deadline_scale)
    with _progress() as progress:
        task = progress.add_task("checking", total=len(CHECKS) * len(settings.regions))
        return await verify(settings, book, grace=grace, samples=samples, on_check=lambda: progress.advance(task))


async def _tracking(settings: Settings, samples: int, grace: float, with_topics: bool) -> Report:
    async with AsyncExitStack() as stack:
        topics = await stack.enter_async_context(kafka_topics(settings.broker_url)) if with_topics else None
        progress = stack.enter_context(_progress())
        task = progress.add_task("checking", total=tracking.steps(settings, topics=with_topics))
        return await tracking.verify(
            settings, grace=grace, samples=samples, topics=topics, on_check=lambda: progress.advance(task)
        )


async def _allocations(settings: Settings, samples: int, grace: float) -> Report:
    if not settings.allocations.domains:
        raise StartError(
            "no domains are configured: `make up` starts a stack that has them, else set allocations.domains"
        )
    with _progress() as progress:
        task = progress.add_task("checking", total=allocations.steps(settings))
        return await allocations.verify(settings, grace=grace, samples=samples, on_check=lambda: progress.advance(task))


async def _checked(
    check: Callable[..., Awaitable[Report]], steps: int, settings: Settings, samples: int, grace: float, topics: Any
) -> Report:
    """The report of a system that looks at `topics` as well, where they are given."""
    with _progress() as progress:
        task = progress.add_task("checking", total=steps)
        advance = partial(progress.advance, task)
        return await check(settings, grace=grace, samples=samples, topics=topics, on_check=advance)


def _progress() -> Progress:
    # On stderr, and on a terminal only: the report alone goes to stdout.
    stderr = Console(stderr=True)
    return Progress(console=stderr, transient=True, disable=not stderr.is_terminal)


def print_report(report: Report) -> None:
    """Print the checks with their offenders, what was looked at, and the verdict."""
    rows = [(_text(finding), finding.check.harm, finding.violations) for finding in report.findings]
    print_table(f"Checks of {report.system}", ("check, what it proves, offenders", "class", "violations"), rows)
    for name, found in report.figures.items():
        if name.startswith("by_"):
            counts = ", ".join(f"{key} {count:,}" for key, count in sorted(found.items()))
            console.print(f"{name.replace('_', ' ')}: {counts or 'none'}", highlight=False)
    if report.figures.get("recomputed") is False:
        console.print("the topics have lost their beginning: decisions were not worked out again", highlight=False)
    if "records" in report.figures:
        words = [f"{report.figures[key]:,} {key}" for key in ("records", "repeated", "removed")]
        console.print(f"on the topics: {', '.join(words)}", highlight=False)
    words = [f"{key}={report.figures[key]}" for key in FIGURES[report.system]]
    words += [f"{k}={n}" for k, n in report.totals.items()]
    verdict = "[green]VERIFY OK[/green]" if report.clean else "[red]VERIFY FAILED[/red]"
    console.print(f"{verdict} {' '.join(words)}", highlight=False, soft_wrap=True)


def _text(finding: Finding) -> str:
    more = finding.violations - len(finding.samples)
    lines = [finding.check.name, finding.check.proves, *(f"- {sample}" for sample in finding.samples)]
    return "\n".join([*lines, f"- and {more} more"] if more else lines)
