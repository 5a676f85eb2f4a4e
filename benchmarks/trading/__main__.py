"""`python -m benchmarks.trading`: exactly-once beside at-least-once on the same signals, in one run."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.terminal import end_like_ctrl_c, progress
from benchmarks.trading.report import Results, show, write_page
from benchmarks.trading.work import WAYS, measure, send
from deploy.local import Stack
from deploy.local.errors import StackError
from deploy.local.settings_files import VARIABLE
from streams_app.errors import StartError
from streams_app.settings import load_settings

# What takes no part takes no processor time either.
_NEEDED = ("kafka", "postgres-", "pgbouncer-")


@click.command(help=__doc__)
@click.option("--signals", default=40_000, show_default=True, help="Of the backlog.", type=click.IntRange(100))
@click.option("--rounds", default=3, show_default=True, help="Of each guarantee.", type=click.IntRange(1))
@click.option("--rate", default=100, show_default=True, help="Single signals a second.", type=click.IntRange(1, 1000))
@click.option("--seconds", default=20.0, show_default=True, help="Of single signals.", type=click.FloatRange(1))
@click.option("--brokers", default=1, show_default=True, help="1, or 3 with 3 replicas.", type=click.Choice([1, 3]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks/trading.md and its picture.")
def main(signals: int, rounds: int, rate: int, seconds: float, brokers: int, as_json: bool, write: bool) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    results = Results(signals, rate, brokers, os.getloadavg()[0])
    try:
        with tempfile.TemporaryDirectory(prefix="streams-benchmark-") as folder:
            root = Path(folder)
            root.chmod(0o755)  # PostgreSQL runs as a user of its own
            with progress(1 + rounds * len(WAYS)) as note:
                _run(root / "stack", results, rounds, seconds, note)
    except (StackError, StartError, RuntimeError, TimeoutError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    show(results, as_json)
    if write:
        write_page(results)


def _run(root: Path, results: Results, rounds: int, seconds: float, note: Callable[[str], None]) -> None:
    stack = Stack(root, brokers=results.brokers)
    try:
        stack.up()
        for part in stack.parts:
            if not part.startswith(_NEEDED):
                stack.kill(part)
        os.environ[VARIABLE] = str(stack.config_path)
        asyncio.run(_rounds(stack, results, rounds, seconds, note))
    finally:
        stack.clean()


async def _rounds(stack: Stack, results: Results, rounds: int, seconds: float, note: Callable[[str], None]) -> None:
    settings, logs = load_settings(), stack.layout.root / "logs"
    note("sending signals")
    backlog = results.signals = await send(settings, results.signals)
    for number in range(rounds):
        # In turns, and each begins as often as the other.
        for way in WAYS if number % 2 else reversed(WAYS):
            note(f"{way}, round {number + 1}")
            found = await measure(settings, stack.config_path, logs, way, number, backlog, results.rate, seconds)
            results.rounds[way].append(found)
            # The single signals are there for the next one, too.
            backlog += len(found.latencies) + 2 * results.rate


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
