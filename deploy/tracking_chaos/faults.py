"""Which process is killed or stopped, and when: decided by the seed alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random

from deploy.tracking_chaos.plan import Size

# Who is killed, in turn and then shuffled; and who is stopped: a writer has no lease.
KILLED = ("relay", "consumer", "writer", "relay", "consumer")
STOPPED = ("relay", "consumer")


@dataclass(frozen=True, slots=True)
class Fault:
    """At `at` seconds a process whose kind is `role` is killed with -9, or stopped for `stop` seconds. `choice`, from 0
    to 1, says which of them."""

    at: float
    role: str
    choice: float
    stop: float | None = None

    @property
    def what(self) -> str:
        """In words."""
        return f"kill -9 of a {self.role}" if self.stop is None else f"SIGSTOP of a {self.role} for {self.stop:.1f} s"


def draw(seed: int, size: Size, longer_than: float) -> list[Fault]:
    """The faults of a run, in their order, spread over its time. Who is stopped stands longer than `longer_than`."""
    rng = Random(f"tracking:{seed}")  # noqa: S311 (repeatable on purpose)
    kills = [(role, None) for role in islice(cycle(KILLED), size.kills)]
    stops = [(role, longer_than + rng.uniform(1, 3)) for role in islice(cycle(STOPPED), size.stops)]
    drawn: list[tuple[str, float | None]] = [*kills, *stops]
    rng.shuffle(drawn)
    faults = []
    for number, (role, stop) in enumerate(drawn):
        # Not before the writers have begun, and each in a stretch of its own.
        at = size.seconds * (0.05 + 0.9 * (number + rng.random()) / len(drawn))
        faults.append(Fault(at, role, rng.random(), stop))
    return faults


def chosen(fault: Fault, names: Sequence[str]) -> str:
    """The victim among processes `role-1`, `role-2` and so on; of any role, when there is none of its own any more."""
    candidates = [name for name in names if name.startswith(fault.role)] or list(names)
    return candidates[int(fault.choice * len(candidates))]
