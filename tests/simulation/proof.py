"""Many worlds on all processors: what went wrong, with the commands that show it again, and what was there."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
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


class Proof:
    """`count` worlds, run on all processors, from `begin` on with what others leave of them."""

    def __init__(self, module: str, run: Callable[[int], Any], count: int, expected: Sequence[str]) -> None:
        self._module = module
        self._run = run
        self._count = count
        self._expected = expected
        self._pool: ProcessPoolExecutor | None = None
        self._parts: list[Future[tuple[Counter[str], list[tuple[int, str]]]]] = []

    def begin(self) -> None:
        """Let the worlds run, beside whatever else is tested."""
        end = FIRST_SEED + self._count
        self._pool = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), os.nice, (15,))
        chunk = partial(_run_chunk, self._run)
        self._parts = [
            self._pool.submit(chunk, first, min(CHUNK, end - first)) for first in range(FIRST_SEED, end, CHUNK)
        ]

    def end(self) -> None:
        """Nobody wants to know any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def check(self) -> None:
        """Fails when a world broke a promise, or when a kind of fault in `expected` was never there."""
        if self._pool is None:
            self.begin()
        tally, failed = Counter[str](), []
        for part in self._parts:
            found, failures = part.result()
            tally += found
            failed += failures
        print(f"{self._count} worlds: " + ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items())))
        for seed, violation in failed:
            print(f"python -m {self._module} {seed} -v   # {violation}")
        assert not failed, f"{len(failed)} worlds failed, see above for the commands that replay them"
        assert [kind for kind in self._expected if not tally[kind]] == []


def schedules(module: str, seed: int) -> int:
    """How many different schedules a seed has in two processes that hash differently: one, or it would not replay."""
    digests = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", module, str(seed), "-v"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        output = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        digests.add(hashlib.sha256(output).hexdigest())
    return len(digests)
