"""Faults of the stack's parts: one after another, each mended before the next, while processes die beside them."""

from __future__ import annotations

import asyncio
import time
from signal import SIGKILL, SIGQUIT, Signals

from aiokafka.errors import KafkaError

from deploy.chaos.mending import Mending
from deploy.local import StackError
from deploy.local.stack import Stack
from deploy.trading_chaos.coordinators import COORDINATED, coordinator
from deploy.trading_chaos.faults import Fault
from deploy.trading_chaos.plan import Kind

# A database that is told to stop at once (the mode `immediate`).
NUMBERS: dict[Kind, Signals] = {Kind.DATABASE_STOPPED: SIGQUIT}


class Parts(Mending[Fault]):
    """Faults of the stack's parts."""

    def __init__(self, stack: Stack, broker_url: str) -> None:
        super().__init__()
        self._stack = stack
        self._broker_url = broker_url

    def one(self, fault: Fault) -> str:
        """Kill or stop a part, and start it again."""
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
