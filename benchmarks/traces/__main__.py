"""`python -m benchmarks.traces`: ingest beside COPY, questions while it ingests, and what indexes cost, in one run."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from benchmarks.terminal import end_like_ctrl_c, progress
from benchmarks.traces import calls, ingest, overhead
from benchmarks.traces.place import Place, opened
from benchmarks.traces.report import Results, show, write_page
from benchmarks.traces.rows import Lines, blueprint, chunks, copy_side_by_side, fill
from deploy.local.errors import StackError
from deploy.local.worker import Worker
from streams_app.errors import StartError
from streams_app.systems.trace_store.generate.generator import records

# The stored events lie in months, those that come are new.
STORED_SPAN, INGEST_SPAN = timedelta(days=60), timedelta(hours=2)
GROUP, AGAIN = "benchmark", "benchmark-again"
_SLOW = 1000


@click.command(help=__doc__)
@click.option("--events", default=1_000_000, show_default=True, help="Stored events.", type=click.IntRange(1000))
@click.option("--ingest", "ingested", default=100_000, show_default=True, help="Of a round.", type=click.IntRange(2000))
@click.option("--rounds", default=2, show_default=True, help="Of ingest and COPY.", type=click.IntRange(1))
@click.option("--calls", "asked", default=200, show_default=True, help="Of each question.", type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Draws the sessions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks/traces.md and its picture.")
def main(events: int, ingested: int, rounds: int, asked: int, seed: int, as_json: bool, write: bool) -> None:
    """Parse, run, report; the exit status is 1 when something failed, 130 after Ctrl-C."""
    results = Results(events, ingested, asked, os.getloadavg()[0])
    try:
        with tempfile.TemporaryDirectory(prefix="streams-benchmark-") as folder:
            root = Path(folder)
            root.chmod(0o755)  # PostgreSQL runs as a user of its own
            with progress(5 + 2 * rounds + len(overhead.GROUPS)) as note, opened(root / "stack") as place:
                place.only_needed()
                asyncio.run(_run(place, results, rounds, seed, note))
    except (StackError, StartError, RuntimeError, TimeoutError) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except KeyboardInterrupt:
        click.echo("interrupted; the stack is gone", err=True)
        sys.exit(130)
    show(results, as_json)
    if write:
        write_page(results)


async def _run(place: Place, results: Results, rounds: int, seed: int, note: Callable[[str], None]) -> None:
    stored(place, results, seed, note)
    for number in range(rounds):
        await _round(place, results, seed + 10 * (number + 1), note)
    note("redelivery")
    before, results.redelivered = place.stored(), rounds * results.ingest
    await ingest.drain(place, AGAIN, results.redelivered)
    results.added = place.stored() - before
    place.everywhere("settle")
    await _ask(place, results, seed + 1000, note)
    costs(place, results, seed + 2000, note)


def stored(place: Place, results: Results, seed: int, note: Callable[[str], None]) -> None:
    """Fill the stores."""
    note("copying events into the store")
    seconds = fill(place, blueprint(seed, results.events, STORED_SPAN))
    results.fill_rate = results.events / seconds
    results.stored = place.stored()
    place.everywhere("settle")


async def _round(place: Place, results: Results, seed: int, note: Callable[[str], None]) -> None:
    note("ingest")
    await ingest.produce(place, blueprint(seed, results.ingest, INGEST_SPAN))
    results.ours.append(await ingest.drain(place, GROUP, results.ingest))
    note("COPY")
    # Other events of the same kind, into the same tables.
    lines: Lines = {}
    for made in chunks(place, records(blueprint(seed + 1, results.ingest, INGEST_SPAN))):
        for region, part in made.items():
            lines.setdefault(region, []).extend(part)
    results.copy.append(results.ingest / copy_side_by_side(place, lines))


async def _ask(place: Place, results: Results, seed: int, note: Callable[[str], None]) -> None:
    wanted = calls.questions(place, STORED_SPAN.total_seconds() / 3600 + 24, results.calls)
    note("questions: nothing aside")
    results.answers["nothing"] = await calls.asked(place, wanted)
    note("questions: 1,000 events a second")
    source = records(blueprint(seed, _SLOW * 600, INGEST_SPAN))
    with ingest.working(place, GROUP) as worker:
        await ingest.begun(worker, 0)
        async with ingest.fed(place, source, _SLOW):
            await ingest.begun(worker, 1)
            await _aside(place, results, "1,000/s", wanted, worker)
    note("questions: full speed")
    await ingest.produce(place, blueprint(seed + 1, 3 * results.ingest, INGEST_SPAN))
    with ingest.working(place, GROUP) as worker:
        await ingest.begun(worker, 1)
        await _aside(place, results, "full speed", wanted, worker)


async def _aside(place: Place, results: Results, name: str, wanted: calls.Questions, worker: Worker) -> None:
    before, began = ingest.done_by(worker), time.monotonic()
    results.answers[name] = await calls.asked(place, wanted)
    results.aside[name] = (ingest.done_by(worker) - before) / (time.monotonic() - began)


def costs(place: Place, results: Results, seed: int, note: Callable[[str], None]) -> None:
    """Measure the indexes."""
    rng = random.Random(seed)  # noqa: S311
    for name, cost in overhead.measure(place, blueprint(seed, results.ingest, INGEST_SPAN), rng):
        note(f"indexes: {name}")
        results.costs[name] = cost


if __name__ == "__main__":
    end_like_ctrl_c()
    main(standalone_mode=True)
