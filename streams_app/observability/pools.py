"""The figures of the connection pools, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from streams_app.databases import Databases

# Our name, what it says, psycopg_pool's name, and what divides its unit into ours.
_COUNTERS = (
    ("streams_pool_requests", "Connections asked for", "requests_num", 1),
    ("streams_pool_queued", "Requests that had to wait for a connection", "requests_queued", 1),
    ("streams_pool_wait_seconds", "Seconds waited for connections", "requests_wait_ms", 1000),
    ("streams_pool_refused", "Requests that got no connection in time", "requests_errors", 1),
    ("streams_pool_used_seconds", "Seconds connections were in use", "usage_ms", 1000),
    ("streams_pool_opened", "Attempts to open a connection", "connections_num", 1),
    ("streams_pool_failed", "Attempts to open a connection that failed", "connections_errors", 1),
    ("streams_pool_lost", "Connections found broken", "connections_lost", 1),
)


class PoolCollector(Collector):
    """streams_pool_…, by the region of the pool."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        stats = self._databases.stats()
        connections = GaugeMetricFamily(
            "streams_pool_connections", "Connections of the region's pool", labels=["region", "state"]
        )
        waiting = GaugeMetricFamily(
            "streams_pool_waiting", "Tasks that wait for a connection of the region's pool", labels=["region"]
        )
        for region, figures in stats.items():
            connections.add_metric([region, "open"], figures.get("pool_size", 0))
            connections.add_metric([region, "idle"], figures.get("pool_available", 0))
            connections.add_metric([region, "most"], figures.get("pool_max", 0))
            waiting.add_metric([region], figures.get("requests_waiting", 0))
        yield connections
        yield waiting
        for name, text, key, divisor in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["region"])
            for region, figures in stats.items():
                counter.add_metric([region], figures.get(key, 0) / divisor)
            yield counter

    def describe(self) -> Iterator[Metric]:
        """Their names are known without asking the pools."""
        return iter(())
