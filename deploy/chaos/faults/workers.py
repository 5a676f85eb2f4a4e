"""Faults of workers: killed in bursts, stopped and continued, started and stopped in storms."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Self

from deploy.chaos.faults.base import Fault
from deploy.chaos.system import System
from deploy.demo.run import ENVIRONMENT
from deploy.local.worker import Worker

SESSION = float(ENVIRONMENT["STREAMS_SESSION_TIMEOUT"])
STORM = (1, 2, 3, 4, 3, 2, 1)


@dataclass(frozen=True)
class KillBurst(Fault):
    """Workers are killed with SIGKILL, one every 0.1 to 1 s; the supervisor starts each again at once."""

    pauses: tuple[float, ...]
    choices: Random

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Five to ten kills."""
        pauses = tuple(rng.uniform(0.1, 1.0) for _ in range(rng.randint(5, 10)))
        return cls(0, pauses, Random(rng.random()))  # noqa: S311 (repeatable on purpose)

    def inject(self, system: System) -> None:
        """All kills."""
        for pause in self.pauses:
            system.workers.kill(self.choices)
            time.sleep(pause)

    def heal(self, system: System) -> None:
        """Nothing to do: the supervisor has done it."""

    @property
    def what(self) -> str:
        """As the class says."""
        return f"{len(self.pauses)} × kill -9 of a worker within {sum(self.pauses):.1f} s"


@dataclass(frozen=True)
class Zombie(Fault):
    """A worker is stopped with SIGSTOP for longer than its session, then goes on as if nothing had been."""

    choices: Random
    stopped: list[Worker] = field(default_factory=list)

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """A few seconds longer than the session."""
        return cls(SESSION + rng.uniform(2, 5), Random(rng.random()))  # noqa: S311 (repeatable on purpose)

    def inject(self, system: System) -> None:
        """SIGSTOP."""
        self.stopped.append(system.workers.pause(self.choices))

    def heal(self, system: System) -> None:
        """SIGCONT."""
        system.workers.resume(self.stopped.pop())

    @property
    def what(self) -> str:
        """As the class says."""
        return f"SIGSTOP of a worker for {self.seconds:.1f} s, its session is {SESSION:.0f} s"


@dataclass(frozen=True)
class RebalanceStorm(Fault):
    """From one worker to four and back, without waiting for any of them to be ready."""

    pauses: tuple[float, ...]

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Uneven pauses."""
        return cls(0, tuple(rng.uniform(0.2, 2.0) for _ in STORM))

    def inject(self, system: System) -> None:
        """Every number of workers of the storm."""
        for count, pause in zip(STORM, self.pauses, strict=True):
            system.workers.resize(count)
            time.sleep(pause)

    def heal(self, system: System) -> None:
        """As many as before."""
        system.workers.resize(system.workers.count)

    @property
    def what(self) -> str:
        """As the class says."""
        return f"1 → {max(STORM)} → 1 workers"
