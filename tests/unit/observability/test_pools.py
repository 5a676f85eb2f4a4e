"""What /metrics says of the pools."""

from prometheus_client import CollectorRegistry, generate_latest

from streams_app.observability.pools import PoolCollector

FIGURES = {"pool_size": 5, "pool_available": 2, "pool_max": 8, "requests_waiting": 3, "requests_wait_ms": 1500}


class FakeDatabases:
    def stats(self):
        return {"us-east": FIGURES, "us-west": {}}


def test_each_pool_has_its_figures_by_region():
    registry = CollectorRegistry()
    registry.register(PoolCollector(FakeDatabases()))
    lines = generate_latest(registry).decode().splitlines()
    for line in (
        'streams_pool_connections{region="us-east",state="open"} 5.0',
        'streams_pool_connections{region="us-east",state="idle"} 2.0',
        'streams_pool_connections{region="us-east",state="most"} 8.0',
        'streams_pool_waiting{region="us-east"} 3.0',
        # psycopg_pool counts milliseconds.
        'streams_pool_wait_seconds_total{region="us-east"} 1.5',
        # A pool that has not been used yet is at zero, not missing.
        'streams_pool_lost_total{region="us-west"} 0.0',
    ):
        assert line in lines
