"""Records that arrive at a steady rate, taken in batches: how many, how long to wait for more, how long each waited.

Pure. Arrivals are computed, not made: a client that is late finds all that came meanwhile, so no waiting is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Arrivals:
    """Record number n arrives n/rate seconds after the beginning; an infinite rate is a queue that never empties."""

    rate: float
    taken: int = 0

    def arrival(self, number: int, now: float) -> float:
        """When that record arrives, in seconds from the beginning."""
        return now if math.isinf(self.rate) else number / self.rate

    def waits_until(self, now: float, size: int, linger: float) -> float:
        """When a batch begun at `now` is to be taken: as soon as it is full, or `linger` after its first record."""
        first = max(now, self.arrival(self.taken, now))
        if math.isinf(self.rate):
            return now
        full = self.arrival(self.taken + size - 1, now)
        return min(max(full, now), max(first, self.arrival(self.taken, now) + linger))

    def take(self, now: float, size: int) -> tuple[int, int]:
        """Take what has come, `size` at most: the first number and how many."""
        first = self.taken
        come = size if math.isinf(self.rate) else min(size, math.floor(now * self.rate + 1e-6) + 1 - first)
        self.taken += max(0, come)
        return first, max(0, come)
