"""What databases and workers say during a fault, sampled several times a second; and what follows from it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.chaos.readings import Readings
from deploy.chaos.system import System

INTERVAL: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment. By region: steps and requests in the database, steps that workers made, attempts that failed, and
    whether all workers call it up. `partitions` are those of all workers together."""

    at: float
    steps: Mapping[str, int]
    requests: Mapping[str, int]
    made: Mapping[str, float]
    failed: Mapping[str, float]
    up: Mapping[str, bool]
    partitions: int


def since(samples: Sequence[Sample], began: float, holds: Callable[[Sample], bool]) -> float | None:
    """Seconds from `began` to the first later sample for which `holds`; None when there is none."""
    return next((one.at - began for one in samples if one.at > began and holds(one)), None)


def last_before(samples: Sequence[Sample], moment: float) -> Sample:
    """The last sample up to a moment, else the first."""
    return next((one for one in reversed(samples) if one.at <= moment), samples[0])


def rate(samples: Sequence[Sample], what: str, regions: Collection[str], begin: float, end: float) -> float:
    """`what` ("steps" or "requests") a second of these regions together, between two moments."""
    first, last = last_before(samples, begin), last_before(samples, end)
    counted = sum(getattr(last, what)[region] - getattr(first, what)[region] for region in regions)
    return float(counted / (last.at - first.at)) if last.at > first.at else 0.0


def taken_over(samples: Sequence[Sample], began: float) -> float | None:
    """Seconds from `began` until workers have as many partitions as before, after they had fewer."""
    wanted = last_before(samples, began).partitions
    fewer = since(samples, began, lambda one: one.partitions < wanted)
    if fewer is None:
        return None
    return since(samples, began, lambda one: one.at > began + fewer and one.partitions >= wanted)


def value_of(page: str, name: str, region: str) -> list[float]:
    """The values of a metric of one region on a page of metrics."""
    pattern = rf'(?m)^{re.escape(name)}\{{[^}}]*region="{re.escape(region)}"[^}}]*\}} (\S+)$'
    return [float(value) for value in re.findall(pattern, page)]


class Watch:
    """Samples in a thread of its own. Use as a context manager; `samples` grow meanwhile."""

    def __init__(self, system: System) -> None:
        self.samples: list[Sample] = []
        self._system = system
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        readings = Readings(self._system.settings)
        while not self._closed.wait(INTERVAL):
            self.samples.append(self._sample(readings))
        readings.close()

    def _sample(self, readings: Readings) -> Sample:
        regions = list(self._system.settings.regions)
        steps = {region: readings.transitions(region) for region in regions}
        requests = {region: counts[0] for region, counts in readings.progress().counts.items()}
        pages, partitions = [], 0
        for worker in self._system.workers.members:
            try:
                pages.append(worker.metrics())
            except OSError:
                continue  # one that was killed
            partitions += int(str(worker.health().get("partitions", 0)))

        def total(name: str) -> dict[str, float]:
            return {region: sum(sum(value_of(page, name, region)) for page in pages) for region in regions}

        up = {region: all(all(value_of(page, "streams_region_up", region)) for page in pages) for region in regions}
        made, failed = total("streams_transitions_total"), total("streams_retries_total")
        return Sample(time.monotonic(), steps, requests, made, failed, up, partitions)
