"""`python -m benchmarks.tracking`: the relay, tracked consumption and the way from commit to topic, in one run."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.terminal import end_like_ctrl_c, progress
from benchmarks.tracking import consumption, latency, relays, requests
from benchmarks.tracking.place import Place, opened
from benchmarks.tracking.report import Results, show, write_page
from deploy.local.errors import StackError


@click.command(help=__doc__)
@click.option("--events", default=40_000, show_default=True, help="Events of a run.", type=click.IntRange(100))
@click.option("--rounds", default=5, show_default=True, help="How often everybody runs.", type=click.IntRange(1))
@click.option("--batch", default=2000, show_default=True, help="Events in a consumed batch.", type=click.IntRange(1))
@click.option("--timed", default=2000, show_default=True, help="Events whose way is timed.", type=click.IntRange(10))
@click.option("--requests", "backlog", default=2000, show_default=True, help="Of a backlog.", type=click.IntRange(100))
@click.option("--seed", default=1, show_default=True, help="Draws the order of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks/tracking.md and its picture.")
def main(events: int, rounds: int, batch: int, timed: int, backlog: int, seed: int, as_json: bool, write: bool) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    results = Results(events, rounds, batch, timed, backlog, os.getloadavg()[0])
    cells = len(relays.CONTESTANTS) + len(consumption.LEVELS) + len(requests.LEVELS)
    runs = rounds * cells + len(latency.WAYS)
    try:
        with tempfile.TemporaryDirectory(prefix="streams-benchmark-") as folder:
            root = Path(folder)
            root.chmod(0o755)  # PostgreSQL runs as a user of its own
            with progress(runs) as note, opened(root / "stack") as place:
                asyncio.run(_run(place, results, seed, note))
    except (StackError, RuntimeError, TimeoutError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    show(results, as_json)
    if write:
        write_page(results)


async def _run(place: Place, results: Results, seed: int, note: Callable[[str], None]) -> None:
    place.execute("make_tables")
    for way in latency.WAYS:
        note(f"commit to topic: {way}")
        results.latencies[way] = await latency.measure(place, way, results.timed)
    for number in range(results.rounds):
        for level in requests.LEVELS if number % 2 else reversed(requests.LEVELS):
            note(f"requests: {level}")
            rate = await requests.measure(place, level, results.requests, f"{seed}-{number}-{level}")
            results.steps.setdefault(level, []).append(rate)
    place.only_needed()
    made = consumption.records(results.events)
    cells = [*(("relay", name) for name in relays.CONTESTANTS), *(("consume", level) for level in consumption.LEVELS)]
    rng = random.Random(seed)  # noqa: S311
    for _ in range(results.rounds):
        for kind, name in rng.sample(cells, len(cells)):
            note(f"{kind}: {name}")
            if kind == "relay":
                rate = await relays.measure(place, name, results.events)
                results.relays.setdefault(name, []).append(rate)
            else:
                rate = await consumption.measure(place, name, made, results.batch)
                results.consumption.setdefault(name, []).append(rate)


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
