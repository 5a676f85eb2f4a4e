"""What is computed from measurements: percentiles, medians over rounds, the knee of a curve, skewed draws. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

Figures = Mapping[str, float]
# A size is large enough when it reaches this share of the best throughput.
ENOUGH = 0.95


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run counted: units of work done in `seconds`, how long each took, the client's processor time in all."""

    done: int
    seconds: float
    durations: Sequence[float]
    processor: float

    def figures(self) -> dict[str, float]:
        """Rate a second, percentiles in milliseconds, the client's share of one processor in percent."""
        return {
            "rate": self.done / self.seconds,
            "p50": 1000 * percentile(self.durations, 0.5),
            "p99": 1000 * percentile(self.durations, 0.99),
            "client": 100 * self.processor / self.seconds,
        }


def percentile(values: Sequence[float], fraction: float) -> float:
    """The smallest of `values` that at least `fraction` of them do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)]


def medians(rounds: Sequence[Figures]) -> dict[str, float]:
    """The median of every figure over the rounds; a figure that some round lacks is left out."""
    names = [name for name in rounds[0] if all(name in one for one in rounds)]
    return {name: statistics.median(one[name] for one in rounds) for name in names}


def knee(rates: Mapping[int, float]) -> int:
    """The smallest size whose rate is ENOUGH of the best."""
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate >= ENOUGH * best)


class Zipf:
    """Draws of ranks 0 to n-1, rank k with a weight of 1/(k+1)**skew; a skew of 0 is uniform."""

    def __init__(self, n: int, skew: float) -> None:
        self._ranks = range(n)
        self._sums = list(accumulate((rank + 1) ** -skew for rank in self._ranks))

    def different(self, count: int, rng: Random) -> list[int]:
        """`count` different ranks; `count` may not exceed n."""
        drawn: dict[int, None] = {}
        while len(drawn) < count:
            drawn.update(dict.fromkeys(rng.choices(self._ranks, cum_weights=self._sums, k=count - len(drawn))))
        return list(drawn)

    def share(self, rank: int) -> float:
        """The probability of one rank."""
        before = self._sums[rank - 1] if rank else 0.0
        found: float = (self._sums[rank] - before) / self._sums[-1]
        return found
