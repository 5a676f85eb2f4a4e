"""The load of a run: one process writes requests at a steady rate, another answers them as the outside world does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from deploy.chaos.errors import ChaosError
from deploy.demo.run import APPLICATION
from deploy.local.errors import log_tail
from deploy.local.layout import PROJECT

# After SIGTERM what is being written is finished, which waits for a region that is away.
STOP_SECONDS = 60


class Load:
    """The two generators. They go straight to the regions' poolers, past the fault proxies."""

    def __init__(self, logs: Path, rate: float, seed: str) -> None:
        """`rate` is in requests a second; the same `seed` writes the same requests."""
        self._logs = logs
        self._rate = rate
        self._seed = seed
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start both."""
        self._start("write", ["--rate", str(self._rate), "--json"])
        self._start("answer", ["--answer-only", "--json"])

    def check(self) -> None:
        """Raises ChaosError, with the end of its log, when one has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ChaosError(f"the generator ({name}) ended by itself:\n{log_tail(self._log(name))}")

    def stop_writing(self) -> int:
        """End the writer; returns how many requests it has written, each of which must be there."""
        self.check()
        self._stop("write")
        try:
            report = json.loads((self._logs / "write.json").read_text(encoding="utf-8"))
        except ValueError:
            raise ChaosError(f"the writer left no report:\n{log_tail(self._log('write'))}") from None
        return int(report["new"]) + int(report["already_there"])

    def stop(self) -> None:
        """End what still runs."""
        for name in list(self._processes):
            self._stop(name)

    def _start(self, name: str, options: list[str]) -> None:
        with self._log(name).open("wb") as log, (self._logs / f"{name}.json").open("wb") as report:
            self._processes[name] = subprocess.Popen(
                [*APPLICATION, "generate", "--seed", self._seed, *options],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=report,
                stderr=log,
                # Ctrl-C comes to the run, which then stops everything in order.
                start_new_session=True,
            )

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"
