"""`python -m benchmarks.requests`: our delivery core, its rivals and the limits on the same work, in one run."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.requests.place import Place, WrongResultError
from benchmarks.requests.report import Report, Setup
from benchmarks.requests.rivals import RIVALS
from benchmarks.requests.rounds import Contestant, RunError, run_rounds
from benchmarks.requests.ways import WAYS
from benchmarks.terminal import end_like_ctrl_c, progress
from deploy.local.errors import StackError

NAMES = [rival.name for rival in RIVALS]
SQL_BATCHES = (1000, 2000, 5000, 10_000)


@click.command(help=__doc__)
@click.option("--events", default=100_000, show_default=True, help="Records in the topic.", type=click.IntRange(500))
@click.option("--rounds", default=5, show_default=True, help="How often everybody runs.", type=click.IntRange(1))
@click.option("--batch", default=5000, show_default=True, help="Records in a batch.", type=click.IntRange(1, 50_000))
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run only these; repeat it for more.")
@click.option("--seed", default=1, show_default=True, help="Draws the work and the order of the runs.")
@click.option("--sql", is_flag=True, help="Compare the ways to write a batch instead, without Kafka.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks/requests.md and its picture.")
def main(
    events: int, rounds: int, batch: int, only: tuple[str, ...], seed: int, sql: bool, as_json: bool, write: bool
) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    load = os.getloadavg()[0]
    contestants = ways(events) if sql else rivals(events, batch, only)
    try:
        with tempfile.TemporaryDirectory(prefix="streams-benchmark-") as folder:
            root = Path(folder)
            root.chmod(0o755)  # PostgreSQL runs as a user of its own
            with progress(len(contestants) * rounds) as note, Place(root / "stack") as place:
                results = run_rounds(place, contestants, rounds, seed, note)
    except (StackError, RunError, WrongResultError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    report = Report(Setup(events, rounds, batch, seed, load), results, contestants)
    report.show(as_json)
    if write:
        report.write()


def rivals(events: int, batch: int, only: tuple[str, ...]) -> list[Contestant]:
    """The chosen rivals, or all."""
    return [
        Contestant(rival.name, (rival.module,), min(events, rival.records or events), batch)
        for rival in RIVALS
        if not only or rival.name in only
    ]


def ways(events: int) -> list[Contestant]:
    """Every way to write a batch, with every batch size."""
    return [Contestant(f"{way}, {batch}", ("sql_only", way), events, batch) for way in WAYS for batch in SQL_BATCHES]


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
