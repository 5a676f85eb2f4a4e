"""`allocations simulate` and `allocations scenarios`: the whole of it on made-up data, proved at the end."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streams_app.commands.console import (
    asynchronous,
    json_option,
    print_json,
    print_rows,
    progress,
    say,
    stop_on_signal,
)
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.picture import svg
from streams_app.systems.allocations.progress_model import Progress as Rows
from streams_app.systems.allocations.report import document, is_proved, last_line, print_report
from streams_app.systems.allocations.scenario import Scenario, load_scenario, scenarios
from streams_app.systems.allocations.simulation import OnProgress, Outside, Simulation

#: What a simulation needs of the Kafka side; the composition root sets it.
outside: Outside | None = None


@click.command("scenarios")
@json_option
@asynchronous
async def scenarios_command(as_json: bool) -> None:
    """Show the scenarios that there are: config/scenarios/NAME.toml."""
    found = scenarios()
    if as_json:
        print_json({name: scenario.model_dump() for name, scenario in found.items()})
        return
    rows = [(name, len(one.ways), f"{one.data.accounts:,}", one.words) for name, one in found.items()]
    print_rows("Scenarios", ("name", "ways", "accounts", "what it shows"), rows)


@click.command("simulate")
@click.argument("name", metavar="SCENARIO", default="rebalance-day")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Also draw the phases as SVG.")
@click.option("--keep", is_flag=True, help="Keep the logs of the workers, also when all is well.")
@click.option("--yes", is_flag=True, help="Do not ask before all six domains are emptied.")
@json_option
@asynchronous
async def simulate_command(name: str, picture: Path | None, keep: bool, yes: bool, as_json: bool) -> int:
    """Empty and fill the domains, rebalance them as a scenario says, and prove what came of it.

    It starts workers of its own: let no other worker run meanwhile. The default scenario is rebalance-day. Exit
    status 1: something is lost, doubled or wrong.
    """
    scenario = load_scenario(name)
    _ask(yes)
    with stop_on_signal() as stop:
        running, stopped = asyncio.create_task(_run(scenario, keep)), asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            await asyncio.wait([running])
            return 130
    measured = running.result()
    if picture is not None:
        await asyncio.to_thread(picture.write_text, svg(measured), "utf-8")
    if as_json:
        print_json(document(name, scenario, measured))
    else:
        print_report(measured)
        say(last_line(name, scenario, measured))
    return 0 if is_proved(measured) else 1


async def _run(scenario: Scenario, keep: bool) -> list[Measured]:
    assert outside is not None
    folder = Path(tempfile.mkdtemp(prefix="streams-simulation-"))
    simulation, measured, proved = Simulation(scenario, outside, folder), list[Measured](), False
    try:
        for way in scenario.ways:
            with progress(f"{way.name}: accounts") as on_load, _bars(way.name) as on_progress:
                measured.append(await simulation.run(way, on_load, on_progress))
        proved = is_proved(measured)
    finally:
        if proved and not keep:
            shutil.rmtree(folder)
        else:
            click.echo(f"the logs of the workers are in {folder}", err=True)
    return measured


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("all six domains are emptied first: add --yes")
    click.confirm("All six domains are emptied first, whatever they hold. Go on?", abort=True)


@contextmanager
def _bars(name: str) -> Iterator[OnProgress]:
    """A bar for each phase, on a terminal only."""
    stderr = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bars:
        routing = bars.add_task(f"{name}: routing, slices", total=None)
        allocations = bars.add_task(f"{name}: allocations, parts", total=None)
        booking = bars.add_task(f"{name}: booking, parts", total=None)

        def show(rows: Rows) -> None:
            bars.update(routing, completed=rows.routed, total=rows.slices or None)
            bars.update(allocations, completed=rows.filled, total=rows.due or None)
            bars.update(booking, completed=rows.booked, total=rows.due or None)

        yield show


COMMANDS: list[click.Command] = [simulate_command, scenarios_command]
