"""One region is cut off for a while: what the others lose meanwhile, and how long the way back takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console

from deploy.chaos.display import Display
from deploy.chaos.proof import await_recovery, await_the_end, verified
from deploy.chaos.proxy import Mode
from deploy.chaos.readings import Readings
from deploy.chaos.system import System

# Share of their rate that the other regions keep, and seconds until the parked work is drained.
KEPT, DRAINED = 0.9, 60.0
TARGETS = f"To reach: the others keep {KEPT:.0%} of their rate, the region is drained within {DRAINED:.0f} s."
# Seconds until requests are in all their states, so that the rate is steady.
WARM_UP = 30.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Which region, how, for how many seconds."""

    region: str
    mode: Mode
    seconds: float


@dataclass(frozen=True, slots=True)
class Isolation:
    """What was measured. Rates are transitions a second of all other regions together."""

    cut: Cut
    before: float
    during: float
    drained: float
    violations: int

    @property
    def kept(self) -> float:
        """The share of the rate that was kept."""
        return self.during / self.before

    @property
    def reached(self) -> bool:
        """Whether the targets are reached."""
        return self.kept >= KEPT and self.drained <= DRAINED and not self.violations

    def line(self) -> str:
        """The measurement in one line."""
        return (
            f"REGION {'OK' if self.reached else 'FAILED'} {self.cut.region} {self.cut.mode} "
            f"seconds={self.cut.seconds:.0f} others_before={self.before:.1f}/s others_during={self.during:.1f}/s "
            f"kept={self.kept:.2f} drained_seconds={self.drained:.1f} violations={self.violations}"
        )


def measure(system: System, cut: Cut, console: Console) -> Isolation:
    """Start the system, measure, prove. The load goes on in all regions all the time. Raises ChaosError, StackError."""
    system.start()
    readings = Readings(system.settings)
    try:
        with Display(system, console) as display:
            return _measure(system, cut, readings, display)
    finally:
        readings.close()


def _measure(system: System, cut: Cut, readings: Readings, display: Display) -> Isolation:
    others = [region for region in system.settings.regions if region != cut.region]
    display.note = "warming up"
    time.sleep(WARM_UP)
    display.note = "before the cut"
    before = _rate(readings, others, cut.seconds)
    display.note = f"{cut.region} is cut off: {cut.mode}"
    system.proxies.set_mode(cut.region, cut.mode)
    during = _rate(readings, others, cut.seconds)
    system.proxies.set_mode(cut.region, Mode.PASS)
    display.note = f"{cut.region} is back, its parked work is drained"
    drained = await_recovery(readings, [cut.region], datetime.now(UTC))
    display.note = "no new requests; waiting until all have ended"
    system.load.stop_writing()
    await_the_end(readings, system.load.check)
    totals, _, _ = verified(system.logs / "verify.json")
    return Isolation(cut, before, during, drained, sum(totals.values()))


def _rate(readings: Readings, regions: list[str], seconds: float) -> float:
    """Transitions a second of `regions` over the next `seconds`."""
    started = time.monotonic()
    first = sum(readings.transitions(region) for region in regions)
    time.sleep(seconds)
    last = sum(readings.transitions(region) for region in regions)
    return (last - first) / (time.monotonic() - started)
