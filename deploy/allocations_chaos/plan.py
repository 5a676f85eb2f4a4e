"""What may happen in a run, to whom, and how big runs are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import get_args

from streams_app.systems.allocations.scenario import Phase

PHASES: tuple[Phase, ...] = get_args(Phase)
WORKERS = ("worker-1", "worker-2")


class Kind(StrEnum):
    """What happens, in words."""

    WORKER_KILLED = "kill -9 of a worker"
    CONNECT_KILLED = "kill -9 of Connect"
    EAST_KILLED = "kill -9 of the database server of holdings"
    CENTRAL_KILLED = "kill -9 of the database server of allocations"
    WEST_KILLED = "kill -9 of the database server of the other domains"
    POOLER_KILLED = "kill -9 of a PgBouncer"
    CANCELLED = "cancel of the rebalance"


#: The part of the stack that is hit; of poolers any.
PARTS: dict[Kind, tuple[str, ...]] = {
    Kind.CONNECT_KILLED: ("connect",),
    Kind.EAST_KILLED: ("postgres-us-east",),
    Kind.CENTRAL_KILLED: ("postgres-us-central",),
    Kind.WEST_KILLED: ("postgres-us-west",),
    Kind.POOLER_KILLED: ("pgbouncer-us-east", "pgbouncer-us-central", "pgbouncer-us-west"),
}
#: What is no kill.
GENTLE = (Kind.CANCELLED,)
KILLS = tuple(kind for kind in Kind if kind not in GENTLE)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something happens to `victim` as soon as a phase is under way; a part stays away for `seconds`."""

    phase: Phase
    kind: Kind
    victim: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Size:
    """How big a run is. `rounds`: rebalances one after another, each with the faults of its phases."""

    accounts: int
    rounds: tuple[tuple[tuple[Phase, Kind], ...], ...]

    @property
    def kills(self) -> int:
        """How many faults are kills."""
        return sum(kind not in GENTLE for found in self.rounds for _, kind in found)

    @property
    def cancels(self) -> int:
        """How many rebalances are cancelled."""
        return sum(kind in GENTLE for found in self.rounds for _, kind in found)


SHORT = Size(
    accounts=200,
    rounds=(
        (
            ("routing", Kind.WORKER_KILLED),
            ("routing", Kind.EAST_KILLED),
            ("allocations", Kind.WORKER_KILLED),
            ("allocations", Kind.CONNECT_KILLED),
            ("allocations", Kind.CENTRAL_KILLED),
            ("booking", Kind.WORKER_KILLED),
            ("booking", Kind.POOLER_KILLED),
            ("booking", Kind.WEST_KILLED),
        ),
        (("allocations", Kind.CANCELLED), ("allocations", Kind.WORKER_KILLED)),
    ),
)
# Every kind in every phase, and a cancel in each.
FULL = Size(
    accounts=1000,
    rounds=(
        *(tuple((phase, kind) for phase in PHASES) for kind in KILLS),
        *(tuple((phase, kind) for phase in PHASES for kind in KILLS[at::3]) for at in range(3)),
        *(((phase, Kind.CANCELLED), (phase, Kind.WORKER_KILLED)) for phase in PHASES),
    ),
)


def draw(seed: int, size: Size) -> list[list[Fault]]:
    """The faults of each round. The seed decides who is hit, and for how long."""
    rng = Random(f"allocations:{seed}")  # noqa: S311 (repeatable on purpose)
    return [[_fault(rng, phase, kind) for phase, kind in found] for found in size.rounds]


def due(faults: Sequence[Fault], begun: Sequence[Phase]) -> list[Fault]:
    """Those whose phase is under way."""
    return [fault for fault in faults if fault.phase in begun]


def _fault(rng: Random, phase: Phase, kind: Kind) -> Fault:
    return Fault(phase, kind, rng.choice(PARTS.get(kind, WORKERS)), rng.uniform(0, 1))
