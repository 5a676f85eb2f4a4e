"""Programs that begin when the session does, one after another, while tests run that need no parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from deploy.local.layout import PROJECT

# One at a time: each has a stack of its own, and the machine is small.
_TURNS = ThreadPoolExecutor(1)


class Program:
    """A module of the project, run to its end with everything it prints kept."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command: Sequence[str] = [sys.executable, "-m", module, *arguments]
        self._running: Future[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        #: The exit status, once it has ended.
        self.status: int | None = None

    def begin(self) -> None:
        """Run it when its turn comes."""
        self._running = _TURNS.submit(self._run)

    def output(self) -> str:
        """What it has printed, when it has ended."""
        if self._running is None:
            self.begin()
        assert self._running is not None
        return self._running.result()

    def end(self) -> None:
        """Nobody wants to know any more: it is interrupted, and cleans up behind itself."""
        if self._running is not None:
            self._running.cancel()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _run(self) -> str:
        self._process = subprocess.Popen(
            self._command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        printed, _ = self._process.communicate()
        self.status = self._process.returncode
        return printed
