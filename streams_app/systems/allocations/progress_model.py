"""How far the work has come, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from streams_app.systems.allocations.scenario import Phase


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows of all rebalances together."""

    slices: int = 0
    #: Slices whose accounts are routed, and their customer orders.
    routed: int = 0
    orders: int = 0
    booked: int = 0
    rebalances: int = 0
    ended: int = 0
    cancelled: int = 0
    blocks: int = 0
    #: What the market has made, and what of it has had its effect in allocations.
    executions: int = 0
    captured: int = 0
    #: Parts of snapshots, and those whose accounts have their fills.
    due: int = 0
    filled: int = 0

    @property
    def lag(self) -> int:
        """Executions that wait to be captured, in the feed, in Kafka or in a worker."""
        return max(0, self.executions - self.captured)

    @property
    def complete(self) -> bool:
        """Whether everything that was begun has ended."""
        return 0 < self.rebalances == self.ended


NOTHING: Final = Progress()
#: What is there of a phase as soon as it is under way.
BEGUN: Final[Mapping[Phase, Callable[[Progress], int]]] = {
    "routing": lambda progress: progress.routed,
    "allocations": lambda progress: progress.captured,
    "booking": lambda progress: progress.booked,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Progress at a moment (time.monotonic), and how many sessions waited for a lock."""

    at: float
    progress: Progress
    waiting: int
