"""Faults of the network between the workers and one region."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Self

from deploy.chaos.faults.base import RegionFault, any_region
from deploy.chaos.proxy import Mode
from deploy.chaos.system import System


@dataclass(frozen=True)
class _Cut(RegionFault):
    """The region's network is in one bad mode for a while."""

    mode: ClassVar[Mode]

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """From a hiccup to longer than a worker waits for a connection."""
        return cls(rng.uniform(2, 12), any_region(rng))

    def inject(self, system: System) -> None:
        """The bad mode."""
        system.proxies.set_mode(self.region, self.mode)

    def heal(self, system: System) -> None:
        """Everything passes again."""
        system.proxies.set_mode(self.region, Mode.PASS)

    @property
    def what(self) -> str:
        """Which mode, and for how long."""
        return f"network to {self.region} {self.mode} for {self.seconds:.1f} s"


@dataclass(frozen=True)
class RegionDown(_Cut):
    """Connections are cut off and refused."""

    mode: ClassVar[Mode] = Mode.DOWN


@dataclass(frozen=True)
class RegionDeaf(_Cut):
    """Connections stay open and nothing arrives."""

    mode: ClassVar[Mode] = Mode.DEAF


@dataclass(frozen=True)
class RegionSlow(_Cut):
    """Every answer is a second late."""

    mode: ClassVar[Mode] = Mode.SLOW


@dataclass(frozen=True)
class RegionResets(_Cut):
    """Again and again, for a moment, answers are lost to resets: commits whose outcome nobody knows."""

    mode: ClassVar[Mode] = Mode.RESET
    times: ClassVar[int] = 8

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """The last moment is shorter or longer."""
        return cls(rng.uniform(0.1, 1.0), any_region(rng))

    def inject(self, system: System) -> None:
        """All moments, the last one still on."""
        for _ in range(self.times):
            super().heal(system)
            time.sleep(0.7)
            super().inject(system)
            time.sleep(0.3)

    @property
    def what(self) -> str:
        """As the class says."""
        return f"network to {self.region} {self.times} × reset, the last for {self.seconds:.1f} s"
