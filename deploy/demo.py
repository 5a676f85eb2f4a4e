"""The main job on real parts, proved at the end: `make demo`.

Account requests are written to three regional databases, carried by Debezium through Kafka to two workers, and driven
to a terminal state. Half way one worker is killed with SIGKILL and started again. Then `verify` reads the databases.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psycopg
from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.histograms import Buckets, buckets_of, quantile, total
from deploy.local import Stack
from deploy.local.errors import StackError
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE
from deploy.local.worker import Worker
from streams_app.databases import Statements
from streams_app.databases.pools import connect_arguments
from streams_app.settings import Settings, load_settings

ROOT = PROJECT / ".local" / "demo"
SQL = Statements(Path(__file__).with_name("demo.sql"))
# Requests a second: less than two workers and all parts can do on two cores, so that waiting times mean something.
RATE = 150

END_TO_END = "streams_end_to_end_seconds"

# Days become seconds, so that what nobody answers times out while one watches; a dead worker is noticed soon.
ENVIRONMENT = {"STREAMS_DEADLINE_SCALE": "0.0001", "STREAMS_SESSION_TIMEOUT": "6", "STREAMS_SWEEP_INTERVAL": "2"}

console = Console()


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


@dataclass(slots=True)
class Progress:
    """What the databases say at one moment. `counts` is per region: requests, then heads by status id 1 to 5."""

    at: float
    counts: dict[str, tuple[int, ...]]
    transitions: int

    @property
    def terminal(self) -> int:
        """Requests that have ended."""
        return sum(sum(row[3:6]) for row in self.counts.values())


@dataclass(slots=True)
class Demo:
    """One run: a stack, two workers, a generator."""

    requests: int
    seed: int
    seconds: float
    stack: Stack
    workers: list[Worker] = field(default_factory=list)
    histograms: dict[str, Buckets] = field(default_factory=dict)
    lives: int = 0
    generator: subprocess.Popen[bytes] | None = None

    def run(self) -> dict[str, object]:
        """The whole job; returns the figures of the last line. Raises DemoError, StackError."""
        console.print("[bold]Starting Kafka, Connect with Debezium, three PostgreSQL, three PgBouncer …[/]")
        self.stack.clean()
        self.stack.up()
        os.environ[VARIABLE] = str(self.stack.config_path)
        os.environ.update(ENVIRONMENT)
        settings = load_settings()
        logs = self.stack.layout.root / "logs"
        self.workers = [Worker(f"worker-{n}", self.stack.config_path, logs) for n in (1, 2)]
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            worker.await_ready()
        console.print(f"[bold]Two workers are ready; {self.requests:,} requests are on their way.[/]")
        started = time.monotonic()
        self._generate(logs / "generate.log")
        last = self._watch(settings, started)
        elapsed = time.monotonic() - started
        report = self._verify(last, settings)
        return self._figures(last, report, elapsed)

    def _generate(self, log: Path) -> None:
        command = [sys.executable, "-m", "faust", "-A", "streams_app", "generate", "--answer", "--json"]
        with log.open("wb") as output:
            self.generator = subprocess.Popen(
                [*command, "--rate", str(RATE), "--total", str(self.requests), "--seed", str(self.seed)],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self, settings: Settings, started: float) -> Progress:
        """Show progress until every request has ended; kill one worker half way."""
        killed_at: float | None = None
        before = Progress(started, {}, 0)
        connections = {
            name: psycopg.connect(**connect_arguments(settings.database, region.pooler, "readonly"))
            for name, region in settings.regions.items()
        }
        try:
            with Live(console=console, refresh_per_second=4, transient=True) as live:
                while True:
                    now = self._read(connections)
                    self._scrape()
                    live.update(self._table(now, before, killed_at))
                    if now.terminal >= self.requests:
                        return now
                    if now.at - started > self.seconds:
                        raise DemoError(
                            f"after {self.seconds:.0f} s only {now.terminal} of {self.requests} requests have ended; "
                            f"logs are in {self.stack.layout.root / 'logs'}"
                        )
                    if killed_at is None and now.terminal >= self.requests / 2:
                        self.workers[0].kill(signal.SIGKILL)
                        killed_at = now.at
                    elif killed_at is not None and not self.workers[0].running and now.at - killed_at > 3:
                        self.lives += 1
                        self.workers[0].start()
                    if now.at - before.at > 2:
                        before = now
                    time.sleep(0.25)
        finally:
            for connection in connections.values():
                connection.close()

    def _read(self, connections: dict[str, psycopg.Connection]) -> Progress:
        counts, transitions = {}, 0
        for region, connection in connections.items():
            row = connection.execute(SQL["progress"]).fetchone()
            assert row is not None
            counts[region] = row[:6]
            transitions += row[6]
        return Progress(time.monotonic(), counts, transitions)

    def _scrape(self) -> None:
        for index, worker in enumerate(self.workers):
            # A worker that was killed starts again from zero: what it had counted before stays counted.
            life = self.lives if index == 0 else 0
            try:
                self.histograms[f"{worker.name}/{life}"] = buckets_of(worker.metrics(), END_TO_END)
            except OSError:
                continue

    def _table(self, now: Progress, before: Progress, killed_at: float | None) -> Table:
        rate = (now.transitions - before.transitions) / max(0.1, now.at - before.at)
        buckets = total(list(self.histograms.values()))
        p50, p99 = (quantile(buckets, fraction) or 0.0 for fraction in (0.5, 0.99))
        lag = sum(int(str(worker.health().get("lag", 0))) for worker in self.workers)
        table = Table(title=f"{now.terminal:,} of {self.requests:,} requests have ended", title_justify="left")
        for column in ("region", "requests", "pending", "in progress", "complete", "failed", "cancelled"):
            table.add_column(column, justify="left" if column == "region" else "right")
        for region, row in now.counts.items():
            table.add_row(region, *(f"{count:,}" for count in row))
        table.caption = (
            f"{rate:,.0f} transitions/s   lag {lag:,}   end to end p50 {p50 * 1000:,.0f} ms, p99 {p99 * 1000:,.0f} ms   "
            + ("worker-1 was killed with -9" if killed_at is not None else "")
        )
        return table

    def _verify(self, last: Progress, settings: Settings) -> dict[str, object]:
        # Let the last feeds of what is already committed arrive, so that nothing is in flight while it is proved.
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if all(worker.health().get("lag") == 0 for worker in self.workers):
                break
            time.sleep(0.2)
        done = subprocess.run(
            [sys.executable, "-m", "faust", "-A", "streams_app", "verify", "--json"],
            cwd=PROJECT,
            capture_output=True,
            check=False,
        )
        try:
            report: dict[str, object] = json.loads(done.stdout)
        except ValueError:
            raise DemoError(f"verify failed:\n{done.stderr.decode()[-2000:]}") from None
        return report

    def _figures(self, last: Progress, report: dict[str, object], elapsed: float) -> dict[str, object]:
        totals = report["totals"]
        assert isinstance(totals, dict)
        buckets = total(list(self.histograms.values()))
        found = sum(row[0] for row in last.counts.values())
        return {
            "requests": found,
            "terminal": last.terminal,
            "transitions": last.transitions,
            "lost": totals["lost"] + max(0, self.requests - found),
            "duplicated": totals["duplicated"] + max(0, found - self.requests),
            "out_of_order": totals["out_of_order"],
            "wrong": totals["wrong"],
            "rate": last.transitions / elapsed,
            "p50": quantile(buckets, 0.5) or 0.0,
            "p99": quantile(buckets, 0.99) or 0.0,
        }

    def stop(self) -> None:
        """Stop the generator and the workers."""
        if self.generator is not None and self.generator.poll() is None:
            self.generator.terminate()
            self.generator.wait(15)
        for worker in self.workers:
            worker.stop()


def main() -> int:
    """Run the demo; the exit status is 0 when everything is proved."""
    started = time.monotonic()
    requests = int(os.environ.get("DEMO_REQUESTS", "2000"))
    demo = Demo(requests, int(os.environ.get("DEMO_SEED", "1")), 120 + requests / 25, Stack(ROOT))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        figures = demo.run()
    except (DemoError, StackError) as error:
        print(f"DEMO FAILED {error}")
        return 1
    except KeyboardInterrupt:
        print("DEMO FAILED interrupted")
        return 130
    finally:
        demo.stop()
        if os.environ.get("DEMO_KEEP") == "1":
            console.print(f"The stack is left up: export {VARIABLE}={demo.stack.config_path}")
            console.print("To end it: .venv/bin/python -m deploy.local clean --root .local/demo")
        else:
            demo.stack.clean()
    return _report(figures, requests, time.monotonic() - started)


def _report(figures: dict[str, object], requests: int, seconds: float) -> int:
    console.print(
        f"{figures['rate']:,.0f} transitions/s over the whole run; end to end "
        f"p50 {float(str(figures['p50'])) * 1000:,.0f} ms, p99 {float(str(figures['p99'])) * 1000:,.0f} ms; "
        "one worker was killed with -9 half way"
    )
    zeros = all(figures[name] == 0 for name in ("lost", "duplicated", "out_of_order", "wrong"))
    proved = zeros and figures["terminal"] == figures["requests"] == requests
    names = ("requests", "terminal", "transitions", "lost", "duplicated", "out_of_order")
    words = " ".join(f"{name}={figures[name]}" for name in names)
    wrong = "" if figures["wrong"] == 0 else f" wrong={figures['wrong']}"
    print(f"DEMO {'OK' if proved else 'FAILED'} {words}{wrong} seconds={seconds:.0f}")
    return 0 if proved else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
