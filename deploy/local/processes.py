"""Background processes: started in a session of their own, known by pid and start time, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import StackError
from .users import User, run_as

POLL_SECONDS = 0.02

# The shell leaves at once, so that the part belongs to init: nobody has to reap it, no zombie stays.
_DETACH = '"$@" </dev/null >&2 & echo $!'


@dataclass(frozen=True)
class Process:
    """One process: a pid alone may be reused, so its start time (ticks since boot) and the boot go with it."""

    pid: int
    started: int
    boot: str

    def is_alive(self) -> bool:
        """True while this very process runs; a zombie or another process under the same pid is not it."""
        return boot_id() == self.boot and _start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def start(argv: list[str], *, log: Path, cwd: Path, user: User | None) -> Process | None:
    """Start `argv` in the background as `user` (None: as we are); None when it ended at once.

    Its output is appended to `log`. Nothing of our environment reaches it but the language settings.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=cwd,
            env=service_environment(),
            start_new_session=True,
            check=True,
            **run_as(user),
        )
    return find(int(done.stdout))


def run(argv: list[str], *, log: Path, cwd: Path, user: User | None) -> int:
    """Run `argv` to its end as `user`, its output appended to `log`; return the exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=service_environment(),
            check=False,
            **run_as(user),
        ).returncode


def find(pid: int) -> Process | None:
    """Return the living process `pid`, or None."""
    started = _start_time(pid)
    return None if started is None else Process(pid, started, boot_id())


def stop(process: Process, number: signal.Signals, seconds: float) -> None:
    """Ask `process` to end with `number`; after `seconds` kill it. Returns when it is gone."""
    process.send(number)
    if not wait_gone(process, seconds):
        process.send(signal.SIGKILL)
        if not wait_gone(process, 10):
            raise StackError(f"process {process.pid} does not end, even after SIGKILL")


def wait_gone(process: Process, seconds: float) -> bool:
    """Wait until `process` has ended; False when it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while process.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def working_in(folder: Path) -> list[int]:
    """Return the pids of processes whose working folder is `folder` (as PostgreSQL's all have)."""
    wanted, pids = str(folder), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd") == wanted:
                    pids.append(int(entry.name))
            except OSError:  # ended meanwhile, or somebody else's
                continue
    return pids


def service_environment() -> dict[str, str]:
    """The environment of every part: PG*, JAVA_TOOL_OPTIONS and the like must not leak in."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TZ": "UTC"}


@cache
def boot_id() -> str:
    """The identity of this boot of the machine: start times count from it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, or None for a process that is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may contain blanks and brackets: what counts comes after the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
