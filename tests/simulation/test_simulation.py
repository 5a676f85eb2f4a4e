"""Ten thousand worlds, each on its own schedule of faults: nothing is lost, nothing happens twice, nothing is stuck.

Most are of the requests system, of which the newest change of a key is enough; the others are of a ledger that needs
every change, in sequence. SIMULATION_SEEDS and SIMULATION_FIRST_SEED choose more worlds, or others.
"""

from __future__ import annotations

import pytest

from tests.simulation import world
from tests.simulation.proof import Proof, schedules, seeds
from tests.simulation.sequence import world as sequence_world

# Kinds of faults, and of what they lead to: each must have been there, or the worlds prove little.
EXPECTED = (
    "kills",
    "pauses",
    "zombies",
    "stops",
    "rebalances",
    "fenced_commits",
    "tables_lost",
    "outages",
    "outages_deaf",
    "breakers_opened",
    "parked",
    "parked_not_stored",
    "parked_stored_unanswered",
    "postponed",
    "transient_errors",
    "slow_statements",
    "ambiguous_committed",
    "ambiguous_not_committed",
    "refused",
    "repeated",
    "reordered",
    "feed_restarts",
    "histories",
    "bad_records",
    "poisoned_transactions",
    "dead_letters",
    "dead_letters_not_stored",
    "dead_letters_stored_unanswered",
    "swept",
)

EXPECTED_IN_SEQUENCE = (
    "kills",
    "zombies",
    "stops",
    "fenced_commits",
    "fenced_transactions",
    "tables_lost",
    "outages",
    "outages_deaf",
    "parked",
    "parked_stored_unanswered",
    "transient_errors",
    "ambiguous_committed",
    "ambiguous_not_committed",
    "refused",
    "repeated",
    "reordered",
    "withheld_for_long",
    "withheld_for_ever",
    "histories",
    "bad_records",
    "dead_processing_failed",
    "dead_gap",
    "dead_behind_dead_letter",
    "dead_letters_stored_unanswered",
    "redriven",
    "dropped",
)


WORLDS = Proof("tests.simulation", world.run, seeds(0.76, 7_600), EXPECTED)
SEQUENCES = Proof("tests.simulation.sequence", sequence_world.run, seeds(0.24, 2_400), EXPECTED_IN_SEQUENCE)


@pytest.mark.begin_early(WORLDS)
@pytest.mark.timeout(1200)
def test_no_world_loses_repeats_or_confuses_anything():
    WORLDS.check()


@pytest.mark.begin_early(SEQUENCES)
@pytest.mark.timeout(1200)
def test_no_world_breaks_a_sequence():
    SEQUENCES.check()


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("module", ["tests.simulation", "tests.simulation.sequence"])
def test_one_seed_is_one_schedule(module, seed):
    assert schedules(module, seed) == 1
