"""Schedules: decided by the seed, and with every kind of fault in them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from deploy.chaos.faults.workers import SESSION, Zombie
from deploy.chaos.proof import percentile
from deploy.chaos.schedule import FAMILIES, KINDS, full, short


def test_the_seed_alone_decides() -> None:
    for schedule in (short, lambda seed: full(seed, 4)):
        first, again, other = ([fault.what for fault in schedule(seed)] for seed in (7, 7, 8))
        assert first == again
        assert first != other


@pytest.mark.parametrize("seed", range(20))
def test_a_short_schedule_has_every_family_and_no_kind_twice(seed: int) -> None:
    kinds = [type(fault) for fault in short(seed)]
    assert len(kinds) == len(set(kinds)) == 9
    assert all(set(family) & set(kinds) for family in FAMILIES)


def test_a_full_schedule_has_every_kind_in_every_round() -> None:
    faults = full(1, 4)
    assert len(faults) >= 60
    assert Counter(type(fault) for fault in faults) == dict.fromkeys(KINDS, 4)


def test_a_zombie_outlasts_its_session() -> None:
    assert all(Zombie.draw(Random(seed)).seconds > SESSION + 1 for seed in range(50))


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([1.0, 2.0, 9.0], 0.5) == 2.0
