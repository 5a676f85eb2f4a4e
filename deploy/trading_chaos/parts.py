"""Faults of the stack's parts: one after another, each mended before the next, while processes die beside them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from signal import SIGKILL, SIGQUIT, Signals

from aiokafka.errors import KafkaError

from deploy.local import StackError
from deploy.local.stack import Stack
from deploy.trading_chaos.coordinators import COORDINATED, coordinator
from deploy.trading_chaos.faults import Fault
from deploy.trading_chaos.plan import Kind

# A database that is told to stop at once (the mode `immediate`).
NUMBERS: dict[Kind, Signals] = {Kind.DATABASE_STOPPED: SIGQUIT}


class Parts:
    """Does faults in a thread of its own. `close` waits for the one that is under way."""

    def __init__(self, stack: Stack, broker_url: str) -> None:
        self._stack = stack
        self._broker_url = broker_url
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
        """What was done and mended since the last call, in words. Raises StackError when a part does not come back."""
        done = [job for job in self._jobs if job.done()]
        self._jobs = self._jobs[len(done) :]
        return [job.result() for job in done]

    def close(self) -> None:
        """Leave out what has not begun."""
        self._pool.shutdown(cancel_futures=True)

    def _do(self, fault: Fault) -> str:
        began, name = time.monotonic(), self._victim(fault)
        if fault.kind is not Kind.COORDINATOR_MOVED:
            self._stack.kill(name, NUMBERS.get(fault.kind, SIGKILL))
            time.sleep(fault.seconds)
        # What runs is stopped in order first.
        self._stack.restart(name)
        return f"{fault.kind}: {name}, back after {time.monotonic() - began:.1f} s"

    def _victim(self, fault: Fault) -> str:
        if fault.kind is Kind.CONNECT_KILLED:
            return self._stack.connect.name
        if fault.kind is Kind.BROKER_KILLED:
            return fault.victim(self._stack.brokers).name
        if fault.kind is Kind.COORDINATOR_MOVED:
            return self._stack.brokers[self._coordinator(fault) - 1].name
        return fault.victim(list(self._stack.databases.values())).name

    def _coordinator(self, fault: Fault) -> int:
        """The number of a broker, counted from 1."""
        try:
            return asyncio.run(coordinator(self._broker_url, fault.victim(COORDINATED)))
        except KafkaError as error:
            raise StackError(f"no broker says who coordinates: {error}") from error
