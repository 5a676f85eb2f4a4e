"""How long to wait between attempts. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts, in seconds: doubling from `first` to `most`, each shortened at random by up to the share
    `spread`, so that those that met do not meet again."""

    first: float = 0.05
    most: float = 5.0
    spread: float = 0.5

    def pause(self, attempt: int, fraction: float) -> float:
        """The pause after attempt number `attempt` (from 1); `fraction` is a random number from 0 to 1."""
        return min(self.most, self.first * 2.0 ** min(attempt - 1, 30)) * (1 - fraction * self.spread)
