"""What the demo shows while it runs: states by region, transitions a second, lag, times from end to end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.table import Table

from deploy.local.scraped import Buckets, buckets_of, quantile, total
from deploy.local.worker import Worker
from streams_app.databases import Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings

SQL = Statements(Path(__file__).with_name("progress.sql"))
END_TO_END = "streams_end_to_end_seconds"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the databases say at one moment. `counts` is per region: requests, then heads by status id 1 to 5."""

    at: float
    counts: dict[str, tuple[int, ...]]
    transitions: int

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(row[0] for row in self.counts.values())

    @property
    def terminal(self) -> int:
        """Requests that have ended."""
        return sum(sum(row[3:6]) for row in self.counts.values())


class Watcher:
    """Reads progress from the databases, and times from the workers' metrics."""

    def __init__(self, settings: Settings, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._connections = {
            name: psycopg.connect(**connect_arguments(settings.database, region.pooler, "readonly"))
            for name, region in settings.regions.items()
        }
        self._histograms: dict[tuple[str, int], Buckets] = {}
        self._before = Progress(time.monotonic(), {}, 0)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def read(self) -> Progress:
        """Progress now."""
        counts, transitions = {}, 0
        for region, connection in self._connections.items():
            row = connection.execute(SQL["progress"]).fetchone()
            assert row is not None
            counts[region] = row[:6]
            transitions += row[6]
        self._scrape()
        return Progress(time.monotonic(), counts, transitions)

    def _scrape(self) -> None:
        for worker in self._workers:
            try:
                # A worker that was killed starts again from zero: what an earlier life had counted stays counted.
                self._histograms[worker.name, worker.lives] = buckets_of(worker.metrics(), END_TO_END)
            except OSError:
                continue

    def seconds(self, fraction: float) -> float:
        """That fraction of all steps took no longer, in seconds, from the commit at the source to ours."""
        return quantile(total(list(self._histograms.values())), fraction) or 0.0

    def table(self, now: Progress, requests: int, note: str) -> Table:
        """Progress as a table."""
        rate = (now.transitions - self._before.transitions) / max(0.1, now.at - self._before.at)
        if now.at - self._before.at > 2:
            self._before = now
        table = Table(title=f"{now.terminal:,} of {requests:,} requests have ended", title_justify="left")
        for column in ("region", "requests", "pending", "in progress", "complete", "failed", "cancelled"):
            table.add_column(column, justify="left" if column == "region" else "right")
        for region, row in now.counts.items():
            table.add_row(region, *(f"{count:,}" for count in row))
        lag = sum(int(str(worker.health().get("lag", 0))) for worker in self._workers)
        p50, p99 = self.seconds(0.5) * 1000, self.seconds(0.99) * 1000
        table.caption = (
            f"{rate:,.0f} transitions/s, lag {lag:,}, end to end p50 {p50:,.0f} ms, p99 {p99:,.0f} ms {note}"
        )
        return table
