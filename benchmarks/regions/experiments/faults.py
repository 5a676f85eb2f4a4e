"""A database, a pooler, a worker, a whole region fail under load: when is it noticed, when over, who else feels it?"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from benchmarks.picture import Bars
from benchmarks.regions.experiment import Cell, Experiment, Results, RunError, Section, Size
from benchmarks.regions.figures import Figures
from benchmarks.regions.place import REGION, Place
from benchmarks.regions.watch import Watch, last_before, rate, since, taken_over
from deploy.chaos.faults.network import RegionDown
from deploy.chaos.faults.parts import DatabaseRestarted, PoolerKilled
from deploy.chaos.proof import await_recovery, await_the_end, verified
from deploy.chaos.readings import Readings
from deploy.chaos.system import System
from deploy.demo.run import ENVIRONMENT
from deploy.local import REGIONS, Stack
from streams_app.databases.breaker import Breaker
from streams_app.settings import DatabaseSettings, Settings

# Requests a second: with all parts on a small machine they leave room to catch up.
RATE: Final = 20.0
# Seconds of load before the first fault, before each, and that each lasts.
WARM_UP, BEFORE, LASTS = 15.0, 6.0, 8.0
WORKER: Final = "worker killed"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what breaks it and what mends it, and the regions that it concerns."""

    break_it: Callable[[System], object]
    mend_it: Callable[[System], object]
    regions: tuple[str, ...]


def kinds(seconds: float) -> dict[str, Kind]:
    """All kinds, by name; those of one region are of REGION."""
    made = {
        "database restarted": DatabaseRestarted(seconds, REGION),
        "PgBouncer restarted": PoolerKilled(seconds, REGION),
        "region cut off": RegionDown(seconds, REGION),
    }
    found = {name: Kind(fault.inject, fault.heal, (REGION,)) for name, fault in made.items()}
    return {**found, WORKER: Kind(lambda system: system.workers.kill(Random(1)), lambda _: None, tuple(REGIONS))}  # noqa: S311


class Faults(Experiment):
    """The whole system with Kafka, Connect and two workers; one fault after another."""

    name = "faults"
    most_rounds = 1
    _system: System

    def cells(self, size: Size) -> list[Cell]:
        """The kinds of faults."""
        return [(name,) for name in list(kinds(0))[2 if size.quick else 0 :]]

    @contextmanager
    def prepared(self, place: Place) -> Iterator[None]:
        """Everything runs under load; at the end all requests must have ended and be proved."""
        stack = Stack(place.stack.layout.root.with_name("whole"))
        self._system = System(stack, RATE, "faults")
        before = dict(os.environ)
        try:
            self._system.start()
            time.sleep(WARM_UP)
            yield
            self._prove()
        finally:
            self._system.stop()
            stack.clean()
            for name in set(os.environ) - set(before):
                del os.environ[name]

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """One fault, from the load before it until everything that waited has been moved on."""
        lasts, before = (3.0, 2.0) if size.quick else (LASTS, BEFORE)
        kind, readings = kinds(lasts)[str(cell[0])], Readings(self._system.settings)
        try:
            with Watch(self._system) as watch:
                time.sleep(before)
                began = time.monotonic()
                kind.break_it(self._system)
                time.sleep(lasts)
                kind.mend_it(self._system)
                mended = time.monotonic()
                drained = await_recovery(readings, kind.regions, datetime.now(UTC))
                time.sleep(1)  # the samples come after the commit
            return _figures(watch, kind, (began - before, began, mended), drained)
        finally:
            readings.close()

    def section(self, results: Results, size: Size) -> Section:
        """Fault by fault."""
        names = [str(cell[0]) for cell in results]
        bars = [(name, results[name,]["drained"], 0.0, results[name,]["drained"]) for name in names]
        return Section(
            title="Faults",
            done=_DONE,
            shows=_shows(results, names),
            advice=_ADVICE,
            columns=(
                "fault",
                "noticed s",
                "breaker s",
                "first commit s",
                "drained s",
                "others before/s",
                "others kept",
                "their load kept",
            ),
            rows=[_row(name, results[name,]) for name in names],
            charts={"": Bars(bars, "seconds until what waited is moved on", label=150)},
        )

    def _prove(self) -> None:
        system, readings = self._system, Readings(self._system.settings)
        try:
            system.load.stop_writing()
            await_the_end(readings, system.load.check)
        finally:
            readings.close()
        totals, requests, _ = verified(system.logs / "verify.json")
        if sum(totals.values()):
            raise RunError(f"faults: {totals} among {requests} requests")


def _figures(watch: Watch, kind: Kind, moments: tuple[float, float, float], drained: float) -> Figures:
    """Times in seconds, rates a second; what was not seen is NaN."""
    before, began, mended = moments
    samples, region = watch.samples, kind.regions[0]
    start, end = last_before(samples, began), last_before(samples, mended)
    others = [name for name in REGIONS if name not in kind.regions] or list(REGIONS)
    of_worker = len(kind.regions) > 1
    noticed = since(samples, began, lambda one: one.failed[region] > start.failed[region])
    committed = since(samples, mended, lambda one: one.made[region] > end.made[region])
    calm = {what: rate(samples, what, others, before, began) for what in ("steps", "requests")}
    hurt = {what: rate(samples, what, others, began, mended) for what in calm}
    return {
        "noticed": _or_nan(taken_over(samples, began) if of_worker else noticed),
        "breaker": _or_nan(None if of_worker else since(samples, began, lambda one: not one.up[region])),
        "committed": _or_nan(None if of_worker else committed),
        "drained": drained + (mended - began if of_worker else 0.0),
        "calm": calm["steps"],
        "kept": hurt["steps"] / calm["steps"] if calm["steps"] else math.nan,
        "load": hurt["requests"] / calm["requests"] if calm["requests"] else math.nan,
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _words(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    times = (_words(figures[one]) for one in ("noticed", "breaker", "committed", "drained"))
    return (name, *times, f"{figures['calm']:,.0f}", f"{figures['kept']:.2f}", f"{figures['load']:.2f}")


_DONE: Final = (
    f"The whole system under {RATE:.0f} requests/s in three regions, with two workers: {REGION}'s PostgreSQL is "
    f"stopped at once (immediate) and started after {LASTS:.0f} s, its PgBouncer killed and started after {LASTS:.0f} "
    f"s, the network between workers and {REGION} cut for {LASTS:.0f} s, a worker killed with SIGKILL and started "
    "again at once. Noticed: the first attempt that failed and is made again; for the worker, all its partitions have "
    "an owner again. Breaker: the first worker calls the region down. First commit: by a worker in the region, after "
    "the cause is gone and the part answers. Drained: every request that waited when the cause was gone has been moved "
    "on; for the worker, from its kill. Others: transitions/s of the other regions during the fault against before, "
    "beside the same ratio of the requests written there; for the worker, of all."
)
_ADVICE: Final = (
    "The defaults. Who wants a connection of a region that is away waits for it up to database.pool_timeout "
    f"({DatabaseSettings().pool_timeout:g} s) before that counts as a failure; the breaker's {Breaker().open_after:g} "
    "s are over by then, so it opens at the first one and the region's work is parked. A shorter pool_timeout would be "
    "noticed sooner, and would park work at every short queue for connections. The session time-out decides how long "
    f"the partitions of a dead worker wait ({ENVIRONMENT['STREAMS_SESSION_TIMEOUT']} s here, "
    f"{Settings.model_fields['session_timeout'].default:g} s by default); much below that, pauses of a busy machine "
    "look like deaths."
)


def _shows(results: Results, names: list[str]) -> str:
    own = [results[name,] for name in names if name != WORKER]
    words = []
    if own:
        most = max(one["drained"] for one in own)
        words.append(
            f"A region that fails is noticed after {_range(own, 'noticed', 1)} s, and its work is drained at most "
            f"{most:.1f} s after the cause is gone; the other regions keep {_range(own, 'kept', 2)} of their rate "
            f"meanwhile, with {_range(own, 'load', 2)} of their load."
        )
    if WORKER in names:
        killed = results[WORKER,]
        words.append(
            f"After the kill of a worker all that waited is moved on within {killed['drained']:.1f} s; in the "
            f"{LASTS:.0f} s after it all regions together make {killed['kept']:.2f} of their steps, as the partitions "
            "of the dead one wait for its session to time out."
        )
    return " ".join([*words, "In the end every request had ended, and verify found none lost, doubled or disordered."])


def _range(figures: list[Figures], name: str, digits: int) -> str:
    """Least and most of those that were seen."""
    values = [one[name] for one in figures if not math.isnan(one[name])]
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}" if values else "–"
