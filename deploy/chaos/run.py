"""One chaos run: faults one after another under load, each with its recovery; then everything must be proved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from deploy.chaos.display import Display
from deploy.chaos.errors import ChaosError
from deploy.chaos.faults.base import Fault
from deploy.chaos.proof import await_recovery, await_the_end, dead_letters, percentile, verified
from deploy.chaos.readings import Readings
from deploy.chaos.system import System
from deploy.local import StackError

# Seconds of undisturbed load at the start and after each recovery, so that faults meet requests in all states.
CALM = 2.0
QUIET_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. `recoveries` are in seconds, one for each fault, in their order."""

    faults: Sequence[Fault]
    recoveries: Sequence[float]
    requests: int
    transitions: int
    lost: int
    duplicated: int
    out_of_order: int
    wrong: int

    @property
    def proved(self) -> bool:
        """Whether nothing is missing, doubled, disordered or wrong."""
        return not (self.lost or self.duplicated or self.out_of_order or self.wrong)

    def line(self) -> str:
        """The last line of the run."""
        names = ["transitions", "lost", "duplicated", "out_of_order", *(["wrong"] if self.wrong else [])]
        words = " ".join(f"{name}={getattr(self, name)}" for name in names)
        p95 = percentile(self.recoveries, 0.95)
        verdict = "OK" if self.proved else "FAILED"
        return f"CHAOS {verdict} faults={len(self.faults)} {words} recovered_p95_seconds={p95:.1f}"


class Run:
    """Faults done to a system. The system is started here, and stopped by whoever made it."""

    def __init__(self, system: System, faults: Sequence[Fault], least: int, console: Console) -> None:
        """`least` is the number of transitions to reach, by more load after the last fault if need be."""
        self._system = system
        self._faults = faults
        self._least = least
        self._console = console
        self._recoveries: list[float] = []

    def run(self) -> Result:
        """The whole run. Raises ChaosError or StackError."""
        self._system.start()
        self._console.print(f"{self._system.workers.count} workers are ready, the load begins.")
        readings = Readings(self._system.settings)
        with Display(self._system, self._console) as display:
            try:
                return self._run(display, readings)
            finally:
                readings.close()

    def _run(self, display: Display, readings: Readings) -> Result:
        for number, fault in enumerate(self._faults, 1):
            time.sleep(CALM)
            display.note = f"fault {number} of {len(self._faults)}: {fault.what}"
            self._do(fault, number, readings)
        display.note = "the last fault is recovered, more load"
        while readings.progress().transitions < self._least:
            self._system.load.check()
            time.sleep(1)
        display.note = "no new requests; waiting until all have ended"
        written = self._system.load.stop_writing()
        await_the_end(readings, self._system.load.check)
        self._await_quiet()
        display.note = "verify"
        return self._result(written)

    def _do(self, fault: Fault, number: int, readings: Readings) -> None:
        """Inject, wait, heal, measure the recovery."""
        self._system.load.check()
        try:
            fault.inject(self._system)
            time.sleep(fault.seconds)
            fault.heal(self._system)
            seconds = await_recovery(readings, list(self._system.settings.regions), datetime.now(UTC))
        except (ChaosError, StackError) as error:
            states = [f"{worker.name}: {worker.health()}" for worker in self._system.workers.members]
            raise ChaosError("\n".join([f"after fault {number}, {fault.what}: {error}", *states])) from error
        self._recoveries.append(seconds)
        self._console.print(f"{number:3} {fault.what}: recovered after {seconds:.1f} s", highlight=False)

    def _await_quiet(self) -> None:
        """Let the feeds of what is already committed arrive, so that nothing is in flight while it is proved."""
        deadline = time.monotonic() + QUIET_SECONDS
        workers = self._system.workers.members
        while time.monotonic() < deadline and any(worker.health().get("lag") != 0 for worker in workers):
            time.sleep(0.2)

    def _result(self, written: int) -> Result:
        totals, requests, transitions = verified(self._system.logs / "verify.json")
        aside = dead_letters(self._system.settings)
        if aside:
            self._console.print(f"{aside} records are among the dead letters, but none was bad")
        return Result(
            faults=self._faults,
            recoveries=self._recoveries,
            requests=requests,
            transitions=transitions,
            lost=totals["lost"] + aside + max(0, written - requests),
            duplicated=totals["duplicated"] + max(0, requests - written),
            out_of_order=totals["out_of_order"],
            wrong=totals["wrong"],
        )


def summary(result: Result) -> Table:
    """Recoveries by kind of fault."""
    table = Table(title=f"Recovery in seconds; {result.requests:,} requests", title_justify="left")
    for column in ("fault", "times", "median", "longest"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    kinds: dict[str, list[float]] = {}
    for fault, seconds in zip(result.faults, result.recoveries, strict=True):
        kinds.setdefault(type(fault).__name__, []).append(seconds)
    for kind, seconds_of_kind in sorted(kinds.items()):
        median, longest = percentile(seconds_of_kind, 0.5), max(seconds_of_kind)
        table.add_row(kind, str(len(seconds_of_kind)), f"{median:.1f}", f"{longest:.1f}")
    return table
