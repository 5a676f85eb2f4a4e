"""The processes of a run, supervised: one that ends is started again at once, unless it had nothing left to do."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from deploy.local.layout import PROJECT

# A process that ends by itself at every start must not take all of the machine.
PAUSE = 1.0
STOP_SECONDS = 15


class Member:
    """One process. `ends`: it ends with status 0 when it has nothing left to do, and is not started again then."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], logs: Path, *, ends: bool):
        self.name = name
        self.ends = ends
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._log = logs / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also after it ended."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to the run, which stops everything in order.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it lives, also while it is stopped."""
        return self._process is not None and self._process.poll() is None

    @property
    def finished(self) -> bool:
        """Whether it has done all it was started for."""
        return self.ends and self._process is not None and self._process.poll() == 0

    def send(self, number: Signals) -> None:
        """Send a signal; after SIGKILL return when it is gone."""
        if self._process is not None and self.running:
            self._process.send_signal(number)
            if number is SIGKILL:
                self._process.wait()

    def stop(self) -> None:
        """End it for good, in order if it can."""
        self.send(SIGCONT)
        self.send(SIGTERM)
        try:
            if self._process is not None:
                self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.send(SIGKILL)


class Members:
    """All processes of a run."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = {member.name: member for member in members}
        self._not_before: dict[str, float] = {}
        self._stopped_until: dict[str, float] = {}
        #: How often one was killed or stopped by us, and how often one ended by itself.
        self.killed = 0
        self.stopped = 0
        self.ended = 0

    @property
    def running(self) -> list[str]:
        """The names of those that live and are not stopped."""
        return [name for name, member in self._members.items() if member.running and name not in self._stopped_until]

    @property
    def finished(self) -> bool:
        """Whether all that end by themselves have done so."""
        return all(member.finished for member in self._members.values() if member.ends)

    def start(self) -> None:
        """Start all."""
        for member in self._members.values():
            member.start()

    def kill(self, name: str) -> None:
        """Kill one with SIGKILL; it is started again at once."""
        self._members[name].send(SIGKILL)
        self.killed += 1
        self._members[name].start()

    def pause(self, name: str, seconds: float) -> None:
        """Stop one with SIGSTOP; `supervise` lets it go on."""
        self._members[name].send(SIGSTOP)
        self._stopped_until[name] = time.monotonic() + seconds
        self.stopped += 1

    def supervise(self) -> None:
        """Start what has ended, let go on what was stopped long enough; call it often."""
        now = time.monotonic()
        for name, until in list(self._stopped_until.items()):
            if now >= until:
                self._members[name].send(SIGCONT)
                del self._stopped_until[name]
        for name, member in self._members.items():
            if not member.running and not member.finished and now >= self._not_before.get(name, 0):
                self.ended += 1
                self._not_before[name] = now + PAUSE
                member.start()

    def stop(self) -> None:
        """End all for good."""
        with ThreadPoolExecutor(len(self._members)) as pool:
            list(pool.map(Member.stop, self._members.values()))
