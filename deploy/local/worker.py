"""Workers of the application beside a stack: started, awaited, killed. Used by the demo and the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from .errors import PartError
from .layout import PROJECT
from .ports import HOST, choose
from .settings_files import VARIABLE


class Worker:
    """One `faust -A streams_app worker` as a process of its own."""

    def __init__(self, name: str, config: Path, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        """`config` is the stack's configuration, `logs` a folder; `environment` overrides single settings."""
        self.name = name
        self.port = choose([name], {}, [])[name]
        self.log = logs / f"{name}.log"
        #: How often it was started.
        self.lives = 0
        self._environment = {**os.environ, VARIABLE: str(config), **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, also after it ended; it is not ready yet."""
        self.lives += 1
        command = [sys.executable, "-m", "faust", "-A", "streams_app", "-L", "uvloop", "worker"]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--loglevel", "info", "--web-port", str(self.port)],
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to whoever started it, who then stops it in order.
                start_new_session=True,
            )

    def await_ready(self, seconds: float = 60, *, partitions: int = 1) -> None:
        """Wait until the worker is healthy and has `partitions`. Raises PartError with the log's tail."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            health = self.health()
            if health.get("status") == "ok" and int(str(health.get("partitions", 0))) >= partitions:
                return
            if not self.running:
                raise PartError(self.name, "ended before it was ready", self.log)
            time.sleep(0.1)
        raise PartError(self.name, f"was not ready after {seconds:.0f} s", self.log)

    def health(self) -> dict[str, object]:
        """What /health says; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/health", timeout=2) as answer:
                found: dict[str, object] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            return {"status": f"HTTP {error.code}"}
        except (OSError, ValueError):
            return {}

    def metrics(self) -> str:
        """The text of /metrics. Raises OSError."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL the process is also awaited."""
        if self._process is not None and self.running:
            self._process.send_signal(number)
            if number is signal.SIGKILL:
                self._process.wait()

    def wait(self, seconds: float) -> int | None:
        """The exit status, once the process has ended; None when it has not after `seconds`."""
        try:
            return None if self._process is None else self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds: float = 20) -> int | None:
        """Ask the worker to stop, insist after `seconds`; returns its exit status."""
        self.kill(signal.SIGTERM)
        status = self.wait(seconds)
        if status is None:
            self.kill()
        return status
