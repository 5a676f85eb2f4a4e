"""One run: account requests are written to three regional databases, carried by Debezium through Kafka to two workers,
and driven to a terminal state. Half way one worker is killed with SIGKILL. Then `verify` reads the databases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from deploy.demo.progress import Progress, Watcher
from deploy.demo.tracking import Tracked, tracked
from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE
from deploy.local.worker import Worker
from streams_app.settings import load_settings

# Days become seconds, so that what nobody answers times out while one watches; a dead worker is noticed soon.
ENVIRONMENT = {
    "STREAMS_SYSTEMS": "requests",
    "STREAMS_DEADLINE_SCALE": "0.0001",
    "STREAMS_SESSION_TIMEOUT": "6",
    "STREAMS_SWEEP_INTERVAL": "2",
}

# Requests a second: less than two workers and all parts can do on two cores, so that waiting times mean something.
RATE = 150
# Seconds from the kill to the next start of that worker.
ABSENCE = 3

APPLICATION = [sys.executable, "-m", "faust", "-A", "streams_app"]


class DemoError(RuntimeError):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the demo found. Times in seconds."""

    requests: int
    terminal: int
    transitions: int
    lost: int
    duplicated: int
    out_of_order: int
    wrong: int
    per_second: float
    p50: float
    p99: float
    tracked: Tracked

    def proved(self, requests: int) -> bool:
        """Whether everything that was asked for is there, once, in order, and ended."""
        zeros = not (self.lost or self.duplicated or self.out_of_order or self.wrong)
        return zeros and self.terminal == self.requests == requests


class Demo:
    """A stack, two workers, a generator that also answers."""

    def __init__(self, stack: Stack, requests: int, seed: str, console: Console) -> None:
        self._stack = stack
        self._requests = requests
        self._seed = seed
        self._console = console
        self._logs = stack.layout.root / "logs"
        self._workers: list[Worker] = []
        self._generator: subprocess.Popen[bytes] | None = None

    def run(self) -> Figures:
        """The whole job. Raises DemoError or StackError."""
        self._console.print("Starting Kafka, Connect with Debezium, three PostgreSQL and three PgBouncer …")
        self._stack.clean()
        self._stack.up()
        os.environ.update({VARIABLE: str(self._stack.config_path), **ENVIRONMENT})
        self._workers = [Worker(f"worker-{n}", self._stack.config_path, self._logs) for n in (1, 2)]
        for worker in self._workers:
            worker.start()
        for worker in self._workers:
            worker.await_ready()
        self._console.print(f"Two workers are ready; {self._requests:,} requests come, {RATE} a second.")
        watcher = Watcher(load_settings(), self._workers)
        try:
            return self._job(watcher)
        finally:
            watcher.close()

    def _job(self, watcher: Watcher) -> Figures:
        started = time.monotonic()
        self._generate()
        last = self._watch(watcher, started)
        elapsed = last.at - started
        self._await_quiet()
        events = tracked(self._ask, elapsed / 60)
        # Each request that has ended is an event.
        missing = max(0, last.terminal - events.published)
        totals = Counter(self._ask("verify", "--json")["totals"]) + Counter(events.harms)
        return Figures(
            requests=last.requests,
            terminal=last.terminal,
            transitions=last.transitions,
            lost=totals["lost"] + missing + max(0, self._requests - last.requests),
            duplicated=totals["duplicated"] + max(0, last.requests - self._requests),
            out_of_order=totals["out_of_order"],
            wrong=totals["wrong"] + events.failed,
            tracked=events,
            per_second=last.transitions / elapsed,
            p50=watcher.seconds(0.5),
            p99=watcher.seconds(0.99),
        )

    def _generate(self) -> None:
        command = [*APPLICATION, "generate", "--answer", "--rate", str(RATE)]
        with (self._logs / "generate.log").open("wb") as output:
            self._generator = subprocess.Popen(
                [*command, "--total", str(self._requests), "--seed", self._seed],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C comes to the demo, which then stops everything in order.
                start_new_session=True,
            )

    def _watch(self, watcher: Watcher, started: float) -> Progress:
        """Show progress until every request has ended; kill one worker half way."""
        victim, killed_at, note = self._workers[0], 0.0, ""
        limit = started + 120 + 3 * self._requests / RATE
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:
            while True:
                now = watcher.read()
                live.update(watcher.table(now, self._requests, note))
                if now.terminal >= self._requests:
                    return now
                if now.at > limit:
                    raise DemoError(f"{now.terminal} of {self._requests} requests have ended, then time was up")
                if self._generator is not None and self._generator.poll():
                    raise DemoError("the generator failed")
                if not killed_at and now.terminal >= self._requests / 2:
                    victim.kill()
                    killed_at, note = now.at, "(worker-1 was killed with -9)"
                elif killed_at and not victim.running and now.at > killed_at + ABSENCE:
                    victim.start()
                time.sleep(0.25)

    def _await_quiet(self) -> None:
        """Let the feeds of what is already committed arrive, so that nothing is in flight while it is proved."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and any(worker.health().get("lag") != 0 for worker in self._workers):
            time.sleep(0.2)

    def _ask(self, *arguments: str) -> Any:
        """The JSON that a command of the application prints; kept beside the logs."""
        done = subprocess.run([*APPLICATION, *arguments], cwd=PROJECT, capture_output=True, check=False)
        (self._logs / f"{'-'.join(arguments[:3])}.json").write_bytes(done.stdout)
        try:
            return json.loads(done.stdout)
        except ValueError:
            words = " ".join(arguments)
            raise DemoError(f"`{words}` could not run:\n{done.stderr.decode()[-2000:]}") from None

    def stop(self) -> None:
        """Stop the generator and the workers."""
        if self._generator is not None and self._generator.poll() is None:
            self._generator.terminate()
            try:
                self._generator.wait(15)
            except subprocess.TimeoutExpired:
                self._generator.kill()
        for worker in self._workers:
            worker.stop()


def keep(stack: Stack, kept: Path) -> None:
    """Copy the logs of a failed run to `kept`, before the stack goes."""
    kept.mkdir(parents=True, exist_ok=True)
    for log in (stack.layout.root / "logs").glob("*"):
        (kept / log.name).write_bytes(log.read_bytes())
