"""`verify`: prove from the databases that nothing was lost, doubled or disordered."""

from __future__ import annotations

import click
import psycopg
from rich.console import Console
from rich.progress import Progress

from streams_app.advice import explain
from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table
from streams_app.errors import SettingsError, StartError
from streams_app.settings import load_settings
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.verify_checks import CHECKS
from streams_app.systems.requests.workflow import load_workflows
from streams_app.systems.requests.workflow_file import WorkflowError
from streams_app.verification import Finding, Report


class CannotVerify(click.ClickException):
    """The checks could not be run: neither good news nor bad."""

    exit_code = 2


@click.command("verify")
@click.option("--system", type=click.Choice(["requests"]), default="requests", show_default=True, help="What to check.")
@click.option(
    "--samples", type=click.IntRange(1, 1000), default=3, show_default=True, help="Offenders to name a check."
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Seconds beyond a deadline that are fine.",
)
@json_option
@asynchronous
async def verify_command(system: str, samples: int, grace: float, as_json: bool) -> int:
    """Check that nothing was lost, doubled or disordered; reads the databases alone, also while workers run.

    Exit status 0: all is well; 1: there are violations; 2: it could not be checked.
    """
    try:
        report = await _verify(samples, grace)
    except (SettingsError, StartError, WorkflowError) as error:
        raise CannotVerify(str(error)) from None
    except psycopg.OperationalError as error:
        raise CannotVerify(f"a database does not answer: {explain(error)}") from None
    except psycopg.Error as error:
        raise CannotVerify(f"a database refuses: {explain(error)}") from None
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)
    return 0 if report.clean else 1


async def _verify(samples: int, grace: float) -> Report:
    settings = load_settings()
    book = load_workflows(settings.workflows).scaled(settings.deadline_scale)
    # On stderr, and on a terminal only: the report alone goes to stdout.
    stderr = Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("checking", total=len(CHECKS) * len(settings.regions))
        return await verify(settings, book, grace=grace, samples=samples, on_check=lambda: progress.advance(task))


def _print(report: Report) -> None:
    rows = [(_text(finding), finding.check.harm, finding.violations) for finding in report.findings]
    print_table(f"Checks of {report.system}", ("check, what it proves, offenders", "class", "violations"), rows)
    for name in ("by_status", "by_type", "by_region"):
        counts = ", ".join(f"{key} {count:,}" for key, count in sorted(report.figures[name].items()))
        console.print(f"{name.replace('_', ' ')}: {counts or 'none'}", highlight=False)
    figures = ("requests", "transitions", "terminal", "open")
    words = [f"{key}={report.figures[key]}" for key in figures] + [f"{k}={n}" for k, n in report.totals.items()]
    verdict = "[green]VERIFY OK[/green]" if report.clean else "[red]VERIFY FAILED[/red]"
    console.print(f"{verdict} {' '.join(words)}", highlight=False, soft_wrap=True)


def _text(finding: Finding) -> str:
    more = finding.violations - len(finding.samples)
    lines = [finding.check.name, finding.check.proves, *(f"- {sample}" for sample in finding.samples)]
    return "\n".join([*lines, f"- and {more} more"] if more else lines)
