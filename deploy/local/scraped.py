"""Reading /metrics: sums of series, and quantiles of histograms, over workers that come and go."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

Buckets = dict[float, float]


def buckets_of(text: str, histogram: str) -> Buckets:
    """The cumulative buckets of `histogram` in a /metrics text, summed over its labels: upper bound → count."""
    buckets: Buckets = defaultdict(float)
    for family in text_string_to_metric_families(text):
        if family.name == histogram:
            for sample in family.samples:
                if sample.name == f"{histogram}_bucket":
                    buckets[float(sample.labels["le"])] += sample.value
    return dict(buckets)


def total(parts: list[Buckets]) -> Buckets:
    """The sum of several histograms with the same bounds."""
    buckets: Buckets = defaultdict(float)
    for part in parts:
        for bound, count in part.items():
            buckets[bound] += count
    return dict(buckets)


def quantile(buckets: Buckets, fraction: float) -> float | None:
    """The value below which `fraction` of the observations lie, linear within a bucket; None without observations."""
    count = max(buckets.values(), default=0)
    if not count:
        return None
    below, lower = 0.0, 0.0
    for bound, up_to in sorted(buckets.items()):
        if up_to >= fraction * count:
            if bound == float("inf") or up_to == below:
                return lower
            return lower + (bound - lower) * (fraction * count - below) / (up_to - below)
        below, lower = up_to, bound
    return lower


def total_of(text: str, sample: str, **labels: str) -> float:
    """The sum of all series of `sample` in a /metrics text that have these labels."""
    return sum(
        found.value
        for family in text_string_to_metric_families(text)
        for found in family.samples
        if found.name == sample and labels.items() <= found.labels.items()
    )
