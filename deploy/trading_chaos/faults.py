"""What happens, when and to whom: decided by the seed alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from deploy.trading_chaos.plan import SESSION, Kind, Size

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """At `at` seconds something happens to one of its kind: `choice`, from 0 to 1, says to which. `seconds` is how long
    a process stands still, or a part stays away before it is started again."""

    at: float
    kind: Kind
    choice: float
    seconds: float

    def victim(self, candidates: Sequence[T]) -> T:
        """The one that is hit."""
        return candidates[int(self.choice * len(candidates))]


def draw(seed: int, size: Size, seconds: float) -> list[Fault]:
    """The faults of a run, in their order, spread over the `seconds` in which signals are sent."""
    rng = Random(f"trading:{seed}")  # noqa: S311 (repeatable on purpose)
    kinds = [kind for kind, count in size.faults.items() for _ in range(count)]
    rng.shuffle(kinds)
    faults = []
    for number, kind in enumerate(kinds):
        # Each in a stretch of its own.
        at = seconds * 0.9 * (number + rng.random()) / len(kinds)
        pause = SESSION + rng.uniform(1, 3) if kind is Kind.PROCESSOR_PAUSED else rng.uniform(0, 3)
        faults.append(Fault(at, kind, rng.random(), pause))
    return faults
