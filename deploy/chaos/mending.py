"""Faults that are done and mended in a thread of their own, one after another, while the run goes on beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

FaultT = TypeVar("FaultT")


class Mending(ABC, Generic[FaultT]):
    """Does faults in turn. `close` waits for the one that is under way."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._jobs: list[Future[str]] = []

    @property
    def left(self) -> int:
        """How many are not done and mended yet."""
        return len(self._jobs)

    def do(self, fault: FaultT) -> None:
        """Do it as soon as the former ones are mended."""
        self._jobs.append(self._pool.submit(self.one, fault))

    def mended(self) -> list[str]:
        """What was done and mended since the last call, in words. Raises StackError when a part does not come back."""
        done = [job for job in self._jobs if job.done()]
        self._jobs = [job for job in self._jobs if job not in done]
        return [job.result() for job in done]

    def close(self) -> None:
        """Leave out what has not begun."""
        self._pool.shutdown(cancel_futures=True)

    @abstractmethod
    def one(self, fault: FaultT) -> str:
        """Do a fault and mend it; returns what was done, in words. Raises StackError."""
