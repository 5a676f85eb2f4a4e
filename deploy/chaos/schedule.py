"""Which faults, in which order: decided by the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from deploy.chaos.faults.base import Fault
from deploy.chaos.faults.network import RegionDeaf, RegionDown, RegionResets, RegionSlow
from deploy.chaos.faults.parts import (
    BrokerBounced,
    BrokerKilled,
    ConnectKilled,
    DatabaseKilled,
    DatabaseRestarted,
    PoolerKilled,
    PoolerPaused,
    PoolersReloaded,
)
from deploy.chaos.faults.topics import Replay, TableLost
from deploy.chaos.faults.workers import KillBurst, RebalanceStorm, Zombie

# What faults are done to, and the kinds of each.
FAMILIES: tuple[tuple[type[Fault], ...], ...] = (
    (KillBurst, Zombie, RebalanceStorm),
    (BrokerKilled, BrokerBounced),
    (DatabaseKilled, DatabaseRestarted),
    (PoolerKilled, PoolerPaused, PoolersReloaded),
    (ConnectKilled,),
    (RegionDown, RegionDeaf, RegionSlow, RegionResets),
    (Replay, TableLost),
)
KINDS = tuple(kind for family in FAMILIES for kind in family)
SHORT_EXTRA = 2


def short(seed: int) -> list[Fault]:
    """One fault of every family and two more, all of different kinds."""
    rng = _rng(seed)
    kinds = [rng.choice(family) for family in FAMILIES]
    kinds += rng.sample([kind for kind in KINDS if kind not in kinds], SHORT_EXTRA)
    return _drawn(kinds, rng)


def full(seed: int, rounds: int) -> list[Fault]:
    """Every kind once in each round, every round in another order."""
    rng = _rng(seed)
    return [fault for _ in range(rounds) for fault in _drawn(KINDS, rng)]


def _drawn(kinds: Sequence[type[Fault]], rng: Random) -> list[Fault]:
    return [kind.draw(rng) for kind in rng.sample(kinds, len(kinds))]


def _rng(seed: int) -> Random:
    return Random(f"chaos:{seed}")  # noqa: S311 (repeatable on purpose)
