"""When faults are due, and for how long nothing has moved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A fault that is done `at` seconds after the clock has begun."""

    @property
    def at(self) -> float: ...


F = TypeVar("F", bound=Timed)


class Clock(Generic[F]):
    """Time since a run has come so far that faults hit it, and since anything moved."""

    def __init__(self, faults: Sequence[F]) -> None:
        """`faults` are in the order of their time."""
        self._faults = list(faults)
        self._began: float | None = None
        self._moved = time.monotonic()
        self._last: object = None

    @property
    def seconds(self) -> float:
        """Since it has begun."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def faults_left(self) -> int:
        """How many are still to come."""
        return len(self._faults)

    @property
    def quiet_for(self) -> float:
        """Seconds without progress."""
        return time.monotonic() - self._moved

    def look(self, now: object, *, begins: bool) -> None:
        """Hear of the progress, which is compared with that of the last time; `begins`: faults may come from now on."""
        if now != self._last:
            self._moved, self._last = time.monotonic(), now
        if begins and self._began is None:
            self._began = time.monotonic()

    def due(self) -> list[F]:
        """The faults whose time has come, once."""
        due = [fault for fault in self._faults if self._began is not None and fault.at <= self.seconds]
        self._faults = self._faults[len(due) :]
        return due
