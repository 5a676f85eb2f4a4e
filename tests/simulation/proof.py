"""Many worlds on all processors: what went wrong, with the commands that show it again, and what was there."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

CHUNK = 100
FIRST_SEED = int(os.environ.get("SIMULATION_FIRST_SEED", "0"))


def seeds(share: float, usual: int) -> int:
    """How many worlds of a kind to run: a share of SIMULATION_SEEDS, or the usual number."""
    wanted = os.environ.get("SIMULATION_SEEDS")
    return usual if wanted is None else max(1, int(int(wanted) * share))


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged. What killed workers leave behind, a few megabytes of cycles, is collected once, at the end."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        logging.disable(logging.NOTSET)


def _run_chunk(run: Callable[[int], Any], first: int, count: int) -> tuple[Counter[str], list[tuple[int, str]]]:
    """The tally of some seeds, and the first violation of each that failed."""
    tally: Counter[str] = Counter()
    failed = []
    with quiet():
        for seed in range(first, first + count):
            result = run(seed)
            tally += result.tally
            failed += [(seed, violation) for violation in result.violations[:1]]
    return tally, failed


def prove(module: str, run: Callable[[int], Any], count: int, expected: Sequence[str]) -> None:
    """Run `count` worlds. Fails when one breaks a promise, or when a kind of fault in `expected` was never there."""
    began, end, tally, failed = time.monotonic(), FIRST_SEED + count, Counter[str](), []
    chunks = [(first, min(CHUNK, end - first)) for first in range(FIRST_SEED, end, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for part, failures in pool.map(partial(_run_chunk, run), *zip(*chunks, strict=True)):
            tally += part
            failed += failures
    rate = count / (time.monotonic() - began)
    print(f"{count} worlds, {rate:.0f}/s: " + ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items())))
    for seed, violation in failed:
        print(f"python -m {module} {seed} -v   # {violation}")
    assert not failed, f"{len(failed)} worlds failed, see above for the commands that replay them"
    assert [kind for kind in expected if not tally[kind]] == []


def schedules(module: str, seed: int) -> int:
    """How many different schedules a seed has in two processes that hash differently: one, or it would not replay."""
    digests = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", module, str(seed), "-v"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        output = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        digests.add(hashlib.sha256(output).hexdigest())
    return len(digests)
