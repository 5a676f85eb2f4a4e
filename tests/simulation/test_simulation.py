"""Ten thousand worlds, each on its own schedule of faults: nothing is lost, nothing happens twice, nothing is stuck.

SIMULATION_SEEDS and SIMULATION_FIRST_SEED choose more worlds, or others.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.simulation.world import run

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "10000"))
FIRST_SEED = int(os.environ.get("SIMULATION_FIRST_SEED", "0"))
CHUNK = 100

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


def run_chunk(first: int, count: int) -> tuple[Counter[str], list[tuple[int, str]]]:
    """The tally of some seeds, and the first violation of each that failed."""
    logging.disable(logging.CRITICAL)
    # Killed workers end in reference cycles, a few megabytes of them: collected once, at the end.
    gc.disable()
    tally: Counter[str] = Counter()
    failed = []
    for seed in range(first, first + count):
        result = run(seed)
        tally += result.tally
        failed += [(seed, violation) for violation in result.violations[:1]]
    gc.collect()
    return tally, failed


@pytest.mark.timeout(1200)
def test_no_world_loses_repeats_or_confuses_anything():
    began, tally, failed = time.monotonic(), Counter(), []
    chunks = [(first, min(CHUNK, FIRST_SEED + SEEDS - first)) for first in range(FIRST_SEED, FIRST_SEED + SEEDS, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for part, failures in pool.map(run_chunk, *zip(*chunks, strict=True)):
            tally += part
            failed += failures
    rate = SEEDS / (time.monotonic() - began)
    print(f"{SEEDS} worlds, {rate:.0f}/s: " + ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items())))
    for seed, violation in failed:
        print(f"python -m tests.simulation {seed} -v   # {violation}")
    assert not failed, f"{len(failed)} worlds failed, see above for the commands that replay them"
    assert [kind for kind in EXPECTED if not tally[kind]] == []


@pytest.mark.parametrize("seed", [3, 11])
def test_one_seed_is_one_schedule(seed):
    digests = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", str(seed), "-v"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        output = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        digests.add(hashlib.sha256(output).hexdigest())
    assert len(digests) == 1
