"""What the databases say, read past poolers and proxies, so that reading goes on while those are broken."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from deploy.chaos.servers import Servers
from deploy.demo.progress import SQL as PROGRESS_SQL
from deploy.demo.progress import Progress
from streams_app.databases import Statements
from streams_app.settings import Settings
from streams_app.systems.requests.workflow import load_workflows

SQL = Statements(Path(__file__).with_name("readings.sql"))
NOTHING = (0,) * 7


class Readings:
    """Reads every region's server. For one thread: each reader makes its own."""

    def __init__(self, settings: Settings) -> None:
        book = load_workflows(settings.workflows)
        self._names = {link: f"{w.code}.{node.name}" for link, (w, node) in book.by_link.items()}
        self._automatic = [link for link, (_, node) in book.by_link.items() if node.run is not None]
        self._settings = settings
        self._servers = Servers(settings)
        self._last: dict[str, tuple[int, ...]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def progress(self) -> Progress:
        """Progress now; a region that does not answer counts as it did the last time."""
        for region in self._settings.regions:
            rows = self._servers.read(region, PROGRESS_SQL["progress"])
            if rows is not None:
                self._last[region] = rows[0]
        counts = {region: self._last.get(region, NOTHING) for region in self._settings.regions}
        transitions = sum(row[6] for row in counts.values())
        return Progress(time.monotonic(), {region: row[:6] for region, row in counts.items()}, transitions)

    def transitions(self, region: str) -> int:
        """Steps of all requests of `region`, first events included; as the last time while it does not answer."""
        self.progress()
        return self._last.get(region, NOTHING)[6]

    def waiting(self, region: str, before: datetime) -> int | None:
        """Requests of `region` that have waited for a worker since `before`; None while it does not answer."""
        rows = self._servers.read(region, SQL["waiting"], {"links": self._automatic, "before": before})
        return None if rows is None else int(rows[0][0])

    def flows(self, region: str, since: datetime) -> bool:
        """Whether a request of `region` that was written after `since` has been moved on by a worker."""
        rows = self._servers.read(region, SQL["flows"], {"since": since})
        return rows is not None and bool(rows[0][0])

    def open_steps(self) -> str:
        """Where requests stand that have not ended, in words."""
        words = []
        for region in self._settings.regions:
            rows = self._servers.read(region, SQL["open"])
            steps = "no answer" if rows is None else ", ".join(f"{self._names[link]} {count}" for link, count in rows)
            words.append(f"{region}: {steps or 'none'}")
        return "; ".join(words)
