"""`python -m benchmarks.regions`: regions, pools, contention, batches and faults, measured in turns in one run."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import psycopg

from benchmarks.regions.experiment import Experiment, RunError, Size
from benchmarks.regions.experiments import EXPERIMENTS
from benchmarks.regions.place import Place
from benchmarks.regions.report import Report
from benchmarks.regions.rounds import Rounds, run_rounds
from benchmarks.terminal import end_like_ctrl_c, progress
from deploy.chaos.errors import ChaosError
from deploy.local.errors import StackError

NAMES = [experiment.name for experiment in EXPERIMENTS]
QUICK = Size(rounds=1, seconds=0.3, quick=True, seed=1)


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run only these; repeat it for more.")
@click.option("--quick", is_flag=True, help="One short round of few sizes: shows that it runs, not how fast.")
@click.option("--rounds", default=2, show_default=True, help="How often every cell runs.", type=click.IntRange(1))
@click.option("--seconds", default=1.5, show_default=True, help="What counts of a cell.", type=click.FloatRange(0.1))
@click.option("--seed", default=1, show_default=True, help="Draws the work and the order of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks/regions.md and its pictures.")
def main(
    only: tuple[str, ...], quick: bool, rounds: int, seconds: float, seed: int, as_json: bool, write: bool
) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    load = os.getloadavg()[0]
    size = QUICK if quick else Size(rounds, seconds, quick, seed)
    chosen = [experiment for experiment in EXPERIMENTS if not only or experiment.name in only]
    if write and (only or quick):
        raise click.UsageError("--write writes the whole page: it needs all experiments in full")
    # Settings of whoever runs the benchmark are not those of the benchmark.
    for name in [name for name in os.environ if name.startswith("STREAMS_")]:
        del os.environ[name]
    # A pipeline that ends with a conflict says so, each time; conflicts are counted instead.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        found = run_all(chosen, size)
    except (StackError, ChaosError, RunError, TimeoutError, psycopg.Error) as error:
        raise click.ClickException(str(error) or type(error).__name__) from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    report = Report(size, load, {experiment.name: experiment for experiment in chosen}, found)
    report.show(as_json)
    if write:
        report.write()


def run_all(experiments: Sequence[Experiment], size: Size) -> dict[str, Rounds]:
    """Run experiments one after another in a place of their own. Raises StackError, ChaosError and RunError."""
    runs = sum(len(one.cells(size)) * min(size.rounds, one.most_rounds) for one in experiments)
    with tempfile.TemporaryDirectory(prefix="streams-regions-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # PostgreSQL runs as a user of its own
        with progress(runs) as note, Place(root / "stack") as place:
            return {experiment.name: run_rounds(place, experiment, size, note) for experiment in experiments}


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
