"""What a fault is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random
from typing import Self

from deploy.chaos.system import System
from deploy.local.layout import REGIONS


@dataclass(frozen=True)
class Fault(ABC):
    """One thing that goes wrong. Order of calls: `inject`, a pause of `seconds`, `heal`."""

    seconds: float

    @classmethod
    @abstractmethod
    def draw(cls, rng: Random) -> Self:
        """One of its kind; `rng` decides what is left to chance."""

    @abstractmethod
    def inject(self, system: System) -> None:
        """Break it; returns when it is broken."""

    @abstractmethod
    def heal(self, system: System) -> None:
        """Mend it; returns when the cause is gone, which is the end of the fault."""

    @property
    @abstractmethod
    def what(self) -> str:
        """What is done, and to whom, in a few words."""


@dataclass(frozen=True)
class RegionFault(Fault):
    """A fault of one region."""

    region: str


def any_region(rng: Random) -> str:
    """A random region."""
    return rng.choice(list(REGIONS))
