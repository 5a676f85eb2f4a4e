"""`python -m benchmarks.allocations`: small transactions beside one batch, trade capture beside its limit, growth."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

import click

from benchmarks.allocations.capture import limit, sustained
from benchmarks.allocations.cycles import PACED, WAYS, WORKERS, cycles
from benchmarks.allocations.report import Results, show, write_page
from benchmarks.terminal import end_like_ctrl_c, progress
from deploy.local import Stack
from deploy.local.errors import StackError
from deploy.local.settings_files import VARIABLE
from streams_app.errors import SettingsError, StartError
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.scenario import Way

PARTS = ("compare", "capture", "scale")
# A worker that captures, and nothing beside it.
CAPTURE = Way(name="capture", settings={"allocations": {"steps": "capture"}})


@click.command(help=__doc__)
@click.option("--accounts", default=5000, show_default=True, help="Of the comparison.", type=click.IntRange(10))
@click.option("--rounds", default=2, show_default=True, help="Of each way.", type=click.IntRange(1))
@click.option("--executions", default=200_000, show_default=True, help="To capture.", type=click.IntRange(1000))
@click.option(
    "--sizes", default=(10_000, 100_000), show_default=True, multiple=True, help="Accounts.", type=click.IntRange(10)
)
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Only this part.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--write", is_flag=True, help="Also write docs/benchmarks/allocations.md and its pictures; needs all parts."
)
def main(
    accounts: int,
    rounds: int,
    executions: int,
    sizes: tuple[int, ...],
    only: tuple[str, ...],
    as_json: bool,
    write: bool,
) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    chosen = only or PARTS
    if write and set(chosen) != set(PARTS):
        raise click.UsageError("--write needs all parts: leave --only out")
    results = Results(rounds, executions, os.getloadavg()[0], {way.name: way.how for way in WAYS})
    try:
        with tempfile.TemporaryDirectory(prefix="streams-benchmark-") as folder:
            root = Path(folder)
            root.chmod(0o755)  # PostgreSQL runs as a user of its own
            with progress(_runs(chosen, rounds, sizes)) as note:
                last = _run(root / "stack", results, accounts, sizes, chosen, note)
    except (StackError, StartError, SettingsError, RuntimeError, TimeoutError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    show(results, as_json)
    if write:
        write_page(results, last)


def _runs(chosen: Collection[str], rounds: int, sizes: Collection[int]) -> int:
    runs = {"compare": rounds * len((*WAYS, *PACED)), "capture": 2 * rounds, "scale": len(sizes)}
    return sum(runs[part] for part in chosen)


def _run(
    root: Path,
    results: Results,
    accounts: int,
    sizes: Collection[int],
    chosen: Collection[str],
    note: Callable[[str], None],
) -> list[Measured]:
    stack = Stack(root, connectors=("steps", "executions"))
    try:
        stack.up()
        os.environ[VARIABLE] = str(stack.config_path)
        return asyncio.run(_parts(stack, results, accounts, sizes, chosen, note))
    finally:
        stack.clean()


async def _parts(
    stack: Stack,
    results: Results,
    accounts: int,
    sizes: Collection[int],
    chosen: Collection[str],
    note: Callable[[str], None],
) -> list[Measured]:
    logs, last = stack.layout.root / "logs", list[Measured]()
    if "compare" in chosen:
        results.compared, last = await cycles(stack, accounts, WAYS, results.rounds, logs, note)
        results.paced, _ = await cycles(stack, accounts, PACED, results.rounds, logs, note)
    if "scale" in chosen:
        for size in sorted(sizes):
            results.grown += (await cycles(stack, size, WORKERS, 1, logs, note))[0]
    if "capture" in chosen:
        # What takes no part takes no processor time either.
        await asyncio.to_thread(stack.kill, stack.connect.name)
        for number in range(results.rounds):
            note(f"inserts alone, round {number + 1}")
            results.limits.append(await limit(CAPTURE.applied("bench"), results.executions))
            note(f"trade capture, round {number + 1}")
            results.captured.append(await sustained(CAPTURE, results.executions, logs))
    return last


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
