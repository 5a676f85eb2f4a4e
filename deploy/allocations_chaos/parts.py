"""Parts of the stack are killed and started again, one after another, while the run goes on beside them."""

from __future__ import annotations

import time

from deploy.allocations_chaos.plan import Fault
from deploy.chaos.mending import Mending
from deploy.local.stack import Stack


class Parts(Mending[Fault]):
    """Faults of the stack's parts."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._stack = stack

    def one(self, fault: Fault) -> str:
        """Kill a part, and start it again."""
        began = time.monotonic()
        self._stack.kill(fault.victim)
        time.sleep(fault.seconds)
        self._stack.restart(fault.victim)
        return f"{fault.phase}: {fault.kind}: {fault.victim}, back after {time.monotonic() - began:.1f} s"
