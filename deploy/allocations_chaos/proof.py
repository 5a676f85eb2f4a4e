"""What a run has to show. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from deploy.allocations_chaos.plan import GENTLE, Kind, Size
from streams_app.systems.allocations.progress_model import Progress
from streams_app.verification import Report


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. `done` says how often each thing happened, `letters` counts dead letters."""

    size: Size
    report: Report
    progress: Progress
    fills: int
    letters: int
    done: Counter[Kind]
    seconds: float

    @property
    def unequal(self) -> list[str]:
        """What is not as it was planned, in words."""
        rounds = len(self.size.rounds)
        pairs = {
            "rebalances": (self.progress.rebalances, rounds),
            "ended": (self.progress.ended, rounds),
            "cancelled": (self.progress.cancelled, self.size.cancels),
            "kills": (self.kills, self.size.kills),
            "executions captured": (self.progress.captured, self.progress.executions),
            "parts filled": (self.progress.filled, self.progress.due),
            "parts booked": (self.progress.booked, self.progress.due),
            "dead letters": (self.letters, 0),
        }
        return [f"{name}: {found:,}, expected {wanted:,}" for name, (found, wanted) in pairs.items() if found != wanted]

    @property
    def kills(self) -> int:
        """How many kills were done."""
        return sum(count for kind, count in self.done.items() if kind not in GENTLE)

    @property
    def totals(self) -> Mapping[str, int]:
        """Violations by harm; what is not as it was planned is wrong."""
        found = self.report.totals
        return found | {"wrong": found["wrong"] + len(self.unequal)}

    @property
    def proved(self) -> bool:
        """Whether every share and cent is where it belongs."""
        return self.fills > 0 and not any(self.totals.values())

    def line(self) -> str:
        """The last line of the run."""
        rows = self.progress
        words = [f"rebalances={rows.rebalances}", f"cancelled={rows.cancelled}", f"orders={rows.orders}"]
        words += [f"blocks={rows.blocks}", f"executions={rows.executions}", f"fills={self.fills}"]
        words += [f"booked={rows.booked}", f"kills={self.kills}"]
        words += [f"{name}={count}" for name, count in self.totals.items()]
        return f"ALLOCATIONS CHAOS {'OK' if self.proved else 'FAILED'} {' '.join(words)} seconds={self.seconds:.0f}"


def table(result: Result) -> Table:
    """What was done."""
    found = Table("", "times", title="Faults", title_justify="left")
    for kind, times in sorted(result.done.items()):
        found.add_row(kind, str(times))
    return found
