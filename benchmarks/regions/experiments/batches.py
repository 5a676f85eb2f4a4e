"""How many records a batch should have, and how long to wait for them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.picture import Lines
from benchmarks.regions.arrivals import Arrivals
from benchmarks.regions.experiment import Cell, Experiment, Results, Section, Size
from benchmarks.regions.figures import ENOUGH, Figures, knee
from benchmarks.regions.load import Tally, Window, run
from benchmarks.regions.place import REGION, Place, opened
from benchmarks.regions.work import move
from streams_app.kafka.consumer_thread import FETCH_MAX_WAIT
from streams_app.settings import Settings
from streams_app.systems.requests.store import RequestKey, Store

SIZES = (1, 10, 50, 100, 500, 1000, 2000, 5000)
WAITS = (0, 10, 50, 100)
# The steady load never fills larger batches: one such size shows it.
OFFERED_SIZES = (1, 10, 100, 2000)
# A large batch takes a good part of a second: to count some of them takes so many times as long.
LONGER = 2
# Records a second of the steady load, well below what batches of the better sizes can do here.
OFFERED = 1000
# Two batches in flight, as the lanes of a worker have them; no request is in both.
LANES, REQUESTS = 2, 12_000
DEFAULT, DRAIN = (Settings.model_fields[name].default for name in ("batch_size", "drain_timeout"))
# Share of the best throughput that the default may give up for shorter batches.
GOOD = 0.9
SATURATED = "saturated"


class Batches(Experiment):
    """Throughput and waiting over batch size and wait."""

    name = "batches"

    def cells(self, size: Size) -> list[Cell]:
        """The load, the batch size and the wait in milliseconds, which means nothing when there is always more."""
        saturated: list[Cell] = [(SATURATED, number, 0) for number in size.some(SIZES)]
        steady = [(OFFERED, number, wait) for number in size.some(OFFERED_SIZES) for wait in _waits(size)]
        return [*saturated, *steady]

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Batches of that size over the store of one region."""
        place.tune_server()
        place.tune_pooler()
        keys = place.fill(REQUESTS)
        rate = math.inf if cell[0] == SATURATED else OFFERED
        longer = LONGER if cell[0] == SATURATED else 1
        window = Window(size.window.warm, longer * size.window.seconds)
        lanes = _Lanes(keys, Arrivals(rate), int(cell[1]), float(cell[2]) / 1000, window)
        return run(_measure(place.settings(LANES), lanes))

    def section(self, results: Results, size: Size) -> Section:
        """Both loads."""
        sizes, steady, waits = size.some(SIZES), size.some(OFFERED_SIZES), _waits(size)
        rates = {number: results[SATURATED, number, 0]["rate"] for number in sizes}
        late = {f"{wait} ms": [results[OFFERED, number, wait]["p99"] for number in steady] for wait in waits}
        return Section(
            title="Batch size and wait",
            done=(
                f"{LANES} lanes take records in batches and commit each batch as the application does (load, decide, "
                f"apply), for {sizes[0]} to {sizes[-1]:,} records a batch: once from a queue that is never empty "
                f"(saturated), once at {OFFERED:,} records a second. There a batch waits 0 to {waits[-1]} ms after its "
                "first record for more, and times run from the arrival of a record to its commit. Saturated, they are "
                "those of a batch."
            ),
            shows=_shows(results, rates, steady, waits),
            advice=_advice(results, rates, steady, waits),
            columns=("load", "batch", "wait ms", "records/s", "mean batch", "p50 ms", "p99 ms", "client CPU %"),
            rows=[_row(results[cell], cell) for cell in self.cells(size)],
            charts={
                "saturated": Lines(
                    [str(number) for number in sizes],
                    {"saturated": list(rates.values())},
                    "records in a batch",
                    "records/s",
                ),
                "wait": Lines(
                    [str(number) for number in steady],
                    late,
                    f"batch size at {OFFERED:,} records/s",
                    "p99 ms, logarithmic",
                    log=True,
                ),
            },
        )


@dataclass(slots=True)
class _Lanes:
    """What the lanes share: the requests, the arrivals, and what is counted. Moments are seconds from `began`."""

    keys: Sequence[RequestKey]
    arrivals: Arrivals
    size: int
    linger: float
    window: Window

    async def measure(self, store: Store) -> Tally:
        """Let all lanes work."""
        tally, began = Tally(self.window, 0.0, least=2 * LANES), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(self._lane(store, tally, began))
        return tally

    async def _lane(self, store: Store, tally: Tally, began: float) -> None:
        while tally.open:
            now = time.perf_counter() - began
            until = self.arrivals.waits_until(now, self.size, self.linger)
            if until > now:
                await asyncio.sleep(until - now)
            begun = time.perf_counter() - began
            first, count = self.arrivals.take(begun, self.size)
            if count:
                numbers = range(first, first + count)
                await move(store, REGION, [self.keys[number % len(self.keys)] for number in numbers])
                done = time.perf_counter() - began
                tally.add(done, count, [done - self.arrivals.arrival(number, begun) for number in numbers])


async def _measure(settings: Settings, lanes: _Lanes) -> Figures:
    async with opened(settings) as databases:
        tally = await lanes.measure(Store(databases))
    return {**tally.measured().figures(), "batch": tally.done / tally.pieces}


def _waits(size: Size) -> list[int]:
    return [WAITS[0], WAITS[-1]] if size.quick else list(WAITS)


def _row(figures: Figures, cell: Cell) -> tuple[str, ...]:
    load, number, wait = cell
    return (
        SATURATED if load == SATURATED else f"{load:,}/s",
        f"{number:,}",
        "" if load == SATURATED else str(wait),
        f"{figures['rate']:,.0f}",
        f"{figures['batch']:,.0f}",
        f"{figures['p50']:,.1f}",
        f"{figures['p99']:,.1f}",
        f"{figures['client']:.0f}",
    )


def _fast_enough(results: Results, sizes: Sequence[int]) -> list[int]:
    """The batch sizes that keep up with the offered load without any wait."""
    return [number for number in sizes if results[OFFERED, number, 0]["rate"] >= ENOUGH * OFFERED]


def _shows(results: Results, rates: dict[int, float], steady: list[int], waits: list[int]) -> str:
    sizes = list(rates)
    best, found = max(rates.values()), knee(rates)
    able = _fast_enough(results, steady)
    behind = [str(number) for number in steady if number not in able]
    words = [
        f"Saturated, the knee is at {found:,} records a batch with {rates[found] / rates[sizes[0]]:.0f} times the "
        f"throughput of single records; {sizes[-1]:,} reach {rates[sizes[-1]] / best:.2f} of the best, and a batch "
        f"of {sizes[-1]:,} takes {results[SATURATED, sizes[-1], 0]['p50']:,.0f} ms, one of {found:,} "
        f"{results[SATURATED, found, 0]['p50']:,.0f} ms."
    ]
    if behind:
        words.append(f"At {OFFERED:,} records/s batches of {', '.join(behind)} fall behind: their times only grow.")
    if able:
        size = able[-1]
        none, most = results[OFFERED, size, 0], results[OFFERED, size, waits[-1]]
        words.append(
            f"Where batches keep up, a wait of {waits[-1]} ms adds {most['p50'] - none['p50']:,.0f} ms to the median "
            f"(batches of up to {size:,}) and makes the mean batch {most['batch']:,.0f} records instead of "
            f"{none['batch']:,.0f}: without a wait what came during a batch is the next one, which sizes itself."
        )
    return " ".join(words)


def _advice(results: Results, rates: dict[int, float], steady: list[int], waits: list[int]) -> str:
    best, near = max(rates.values()), min(rates, key=lambda number: abs(number - DEFAULT))
    share, largest = rates[near] / best, max(rates)
    took, longest = (results[SATURATED, number, 0]["p99"] for number in (near, largest))
    verdict = "is kept" if share >= GOOD else "does not fit this machine"
    client = {wait: results[OFFERED, steady[-1], wait]["client"] for wait in (waits[0], waits[-1])}
    return (
        f"The default batch_size of {DEFAULT:,} {verdict}: {near:,} records a batch reach {share:.2f} of the best "
        f"throughput, with {took:,.0f} ms for the 99th percentile of batches against {longest:,.0f} ms for "
        f"{largest:,} records. It is a bound for catching up, which an ordinary load never fills, and that long is "
        f"what stops with a worker or goes with its partitions, where drain_timeout allows {DRAIN:g} s. No wait for "
        "more records: "
        f"it costs the median what it lasts, and saves the client {client[waits[0]] - client[waits[-1]]:.0f} points of "
        f"processor time at this load. Kafka's fetch wait of {FETCH_MAX_WAIT} ms is no such wait: a fetch is answered "
        "as soon as there is one record, so it delays only the answer that there is none."
    )
