"""Parts of the stack are killed and started again, one after another, while the run goes on beside them."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

from deploy.allocations_chaos.plan import Fault
from deploy.local.stack import Stack


class Parts:
    """Does faults in a thread of its own. `close` waits for the one that is under way."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._pool = ThreadPoolExecutor(1)
        self._jobs: list[Future[str]] = []

    @property
    def left(self) -> int:
        """How many are not done and mended yet."""
        return len(self._jobs)

    def do(self, fault: Fault) -> None:
        """Do it as soon as the former ones are mended."""
        self._jobs.append(self._pool.submit(self._do, fault))

    def mended(self) -> list[str]:
        """What was mended since the last call, in words. Raises StackError when a part does not come back."""
        done = [job for job in self._jobs if job.done()]
        self._jobs = [job for job in self._jobs if job not in done]
        return [job.result() for job in done]

    def close(self) -> None:
        """Leave out what has not begun."""
        self._pool.shutdown(cancel_futures=True)

    def _do(self, fault: Fault) -> str:
        began = time.monotonic()
        self._stack.kill(fault.victim)
        time.sleep(fault.seconds)
        self._stack.restart(fault.victim)
        return f"{fault.phase}: {fault.kind}: {fault.victim}, back after {time.monotonic() - began:.1f} s"
