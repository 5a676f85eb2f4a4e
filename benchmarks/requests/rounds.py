"""Rounds: in each, every contestant runs once, in an order drawn by the seed; what came out of it."""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.requests.place import Place
from benchmarks.requests.rivals import OURS, RIVALS
from benchmarks.requests.rivals.job import Measured
from benchmarks.requests.work import Work
from deploy.local.layout import PROJECT

_SECONDS = 600


class RunError(RuntimeError):
    """A run failed; the message names its log."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """What runs: a rival's module with its arguments, on so many records, in batches of so many."""

    name: str
    command: tuple[str, ...]
    records: int
    batch: int


@dataclass(frozen=True, slots=True)
class Result:
    """A contestant's runs, one for each round."""

    runs: tuple[Measured, ...]

    @property
    def rates(self) -> list[float]:
        """Changes a second."""
        return [run.rate for run in self.runs]

    @property
    def median(self) -> float:
        """The middle rate."""
        return statistics.median(self.rates)

    @property
    def processor(self) -> float:
        """Processor time of the process for each change, in microseconds; the median."""
        return statistics.median(run.processor for run in self.runs)


def run_rounds(
    place: Place, contestants: Sequence[Contestant], rounds: int, seed: int, note: Callable[[str], None]
) -> dict[str, Result]:
    """Run everybody `rounds` times; `note` is told who runs. Raises RunError or WrongResultError."""
    runs: dict[str, list[Measured]] = {contestant.name: [] for contestant in contestants}
    rng = random.Random(seed)  # noqa: S311
    for _ in range(rounds):
        for contestant in rng.sample(contestants, len(contestants)):
            note(contestant.name)
            runs[contestant.name].append(run_one(place, contestant, seed))
    return {name: Result(tuple(found)) for name, found in runs.items()}


def run_one(place: Place, contestant: Contestant, seed: int) -> Measured:
    """Run one contestant once in a process of its own, and check what it left."""
    work = Work(contestant.records, seed)
    job = place.job(work, contestant.batch, table="versions")
    log = place.logs / f"{contestant.name.replace(' ', '-').replace(',', '')}.log"
    with log.open("ab") as errors:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.requests.rivals", *contestant.command],
                cwd=PROJECT,
                # Settings of whoever runs the benchmark are not those of the benchmark.
                env={name: value for name, value in os.environ.items() if not name.startswith("STREAMS_")},
                input=json.dumps(asdict(job)).encode(),
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"{contestant.name} was not done after {_SECONDS} s: {tail(log.read_text())}") from None
    if done.returncode != 0:
        raise RunError(f"{contestant.name} ended with status {done.returncode}: {tail(log.read_text())}")
    place.check(work)
    # Faust writes to standard output, too, even its last words.
    found = re.search(rb"^measured (.+)$", done.stdout, re.MULTILINE)
    assert found is not None
    return Measured(**json.loads(found[1]))


def tail(text: str) -> str:
    """The end of a log."""
    return "\n".join(text.splitlines()[-15:])


def ratios(results: Mapping[str, Result]) -> dict[str, tuple[float, float]]:
    """For each rival that ran beside ours: our median over its median, and the target."""
    ours = results.get(OURS.name)
    if ours is None:
        return {}
    return {
        rival.name: (ours.median / results[rival.name].median, rival.target)
        for rival in RIVALS
        if rival.target is not None and rival.name in results
    }
