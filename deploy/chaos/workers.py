"""Workers under a supervisor: one that ends is started again at once, as a service manager would do it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP

from deploy.local.worker import Worker

TICK = 0.1
# A worker that ends by itself at every start must not take all of the machine.
PAUSE = 2.0


class Workers:
    """Some number of workers. Faults may change the number, or kill and stop single ones."""

    def __init__(self, config: Path, logs: Path, count: int) -> None:
        """`count` is the number of an ordinary moment."""
        self.count = count
        #: How often one was killed by us, and how often one ended by itself.
        self.killed = 0
        self.ended = 0
        self._config = config
        self._logs = logs
        self._names = 0
        self._members: list[Worker] = []
        self._expected: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the ordinary number and await them; from then on they are supervised."""
        self.resize(self.count)
        for worker in self.members:
            worker.await_ready()
        self._supervisor.start()

    @property
    def members(self) -> list[Worker]:
        """The workers that should run now."""
        with self._lock:
            return list(self._members)

    def resize(self, count: int) -> None:
        """Start or stop (SIGTERM) workers until there are `count`; does not wait until new ones are ready."""
        with self._lock:
            gone, self._members = self._members[count:], self._members[:count]
            for _ in range(count - len(self._members)):
                self._names += 1
                worker = Worker(f"worker-{self._names}", self._config, self._logs)
                worker.start()
                self._members.append(worker)
        _each(Worker.stop, gone)

    def kill(self, rng: Random) -> None:
        """Kill a random one with SIGKILL; the supervisor starts it again."""
        with self._lock:
            worker = rng.choice(self._members)
            self._kill(worker)

    def kill_all(self) -> None:
        """Kill all with SIGKILL and start none again until the next `resize`."""
        with self._lock:
            gone, self._members = self._members, []
            for worker in gone:
                self._kill(worker)

    def pause(self, rng: Random) -> Worker:
        """Stop a random one with SIGSTOP and return it, for `resume`."""
        worker = rng.choice(self.members)
        worker.kill(SIGSTOP)
        return worker

    def resume(self, worker: Worker) -> None:
        """Let a stopped one go on."""
        worker.kill(SIGCONT)

    def stop(self) -> None:
        """Stop all for good."""
        self._closed.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for worker in self.members:
            self.resume(worker)
        self.resize(0)

    def _kill(self, worker: Worker) -> None:
        self._expected.add(worker.name)
        self.killed += worker.running
        worker.kill()

    def _supervise(self) -> None:
        not_before: dict[str, float] = {}
        while not self._closed.wait(TICK):
            with self._lock:
                for worker in self._members:
                    if worker.running or time.monotonic() < not_before.get(worker.name, 0):
                        continue
                    if worker.name not in self._expected:
                        self.ended += 1
                        not_before[worker.name] = time.monotonic() + PAUSE
                    self._expected.discard(worker.name)
                    worker.start()


def _each(call: Callable[[Worker], object], workers: Iterable[Worker]) -> None:
    chosen = list(workers)
    with ThreadPoolExecutor(len(chosen) or 1) as pool:
        list(pool.map(call, chosen))
