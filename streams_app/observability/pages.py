"""The worker's pages: /metrics for Prometheus, /health for whatever restarts workers."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from streams_app import metrics
from streams_app.databases import Databases
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.versions import ChangelogVersionTable
from streams_app.observability.health import Health, judge
from streams_app.observability.pools import PoolCollector


class Observer:
    """Reads the state of a running worker into metrics and health."""

    def __init__(
        self, app: StreamsApp, databases: Databases, tables: dict[str, ChangelogVersionTable], stall_timeout: float
    ) -> None:
        self._app = app
        self._databases = databases
        self._tables = tables
        self._stall_timeout = stall_timeout
        self._shown: set[tuple[str, int]] = set()
        REGISTRY.register(PoolCollector(databases))

    def health(self) -> Health:
        """The worker's health now."""
        consumer = self._app.consumer if self._app.consumer_started else None
        lags = consumer.lag() if consumer is not None else {}
        working = [lane for lane in self._app.lanes if not lane.waits()]
        behind = [lane for lane in working if any(lag and lane.takes(tp) for tp, lag in lags.items())]
        last = min((lane.last_progress for lane in behind), default=time.monotonic())
        return judge(
            sum(lags.values()),
            len(lags),
            time.monotonic() - last,
            consumer.seconds_uncommitted if consumer is not None else 0.0,
            recovering=self._app.rebalancing or consumer is None,
            stall_timeout=self._stall_timeout,
        )

    def refresh(self) -> None:
        """Bring the gauges up to date; the series of partitions that went to another worker are removed."""
        lags = self._app.consumer.lag() if self._app.consumer_started else {}
        shown = {(tp.topic, tp.partition) for tp in lags}
        for topic, partition in self._shown - shown:
            metrics.LAG.remove(topic, partition)
            metrics.HIDDEN.remove(topic, partition)
        self._shown = shown
        hidden = self._app.consumer.hidden() if self._app.consumer_started else {}
        for tp, lag in lags.items():
            metrics.LAG.labels(tp.topic, tp.partition).set(lag)
            metrics.HIDDEN.labels(tp.topic, tp.partition).set(hidden.get(tp, 0))
        for name, table in self._tables.items():
            metrics.TABLE_KEYS.labels(name).set(len(table))
        for region in self._databases.regions.names:
            metrics.REGION_UP.labels(region).set(not self._databases.is_down(region))


def add_pages(app: StreamsApp, observer: Observer) -> None:
    """Put /metrics and /health on the worker's web server."""

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def metrics_page(web: Any, request: Any) -> Any:
        observer.refresh()
        return web.bytes(generate_latest(), content_type=CONTENT_TYPE_LATEST.split(";", maxsplit=1)[0])

    @app.page("/health")  # type: ignore[untyped-decorator]
    async def health_page(web: Any, request: Any) -> Any:
        health = observer.health()
        return web.json(health.as_dict(), status=200 if health.healthy else 503)
