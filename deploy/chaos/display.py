"""What a run shows while it goes on: states by region, transitions a second, workers, and what is being done."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.chaos.readings import Readings
from deploy.chaos.system import System
from deploy.demo.progress import Progress

INTERVAL = 1.0
COLUMNS = ("region", "requests", "pending", "in progress", "complete", "failed", "cancelled")


class Display:
    """A live table, kept up to date by a thread. Use as a context manager."""

    def __init__(self, system: System, console: Console) -> None:
        self.note = ""
        self._system = system
        self._live = Live(console=console, refresh_per_second=2, transient=True)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)

    def __enter__(self) -> Display:
        self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._live.stop()

    def _run(self) -> None:
        readings = Readings(self._system.settings)
        before = readings.progress()
        while not self._closed.wait(INTERVAL):
            now = readings.progress()
            self._live.update(self._table(before, now))
            before = now
        readings.close()

    def _table(self, before: Progress, now: Progress) -> Table:
        table = Table(title=self.note, title_justify="left")
        for column in COLUMNS:
            table.add_column(column, justify="left" if column == "region" else "right")
        for region, row in now.counts.items():
            table.add_row(region, *(f"{count:,}" for count in row))
        rate = (now.transitions - before.transitions) / (now.at - before.at)
        workers = self._system.workers
        table.caption = (
            f"{rate:,.0f} transitions/s, {now.transitions:,} so far; {len(workers.members)} workers, "
            f"{workers.killed} were killed, {workers.ended} ended by themselves"
        )
        return table
