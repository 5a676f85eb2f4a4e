"""What everybody in a run agrees on: names, sizes, and what may happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: Applications, and the names that their processes begin with.
PROCESSOR, MANAGER, EXECUTOR = "signal-processor", "order-manager", "order-executor"
EXCHANGE, GENERATOR, NOISE = "exchange", "generator", "noise"
SESSION = 6.0
#: So many symbols are sent by a generator that sends each signal so often.
REPEATED_SYMBOLS, TIMES = 2, 2


class Kind(StrEnum):
    """What happens, in words."""

    PROCESSOR_KILLED = "kill -9 of a signal processor"
    MANAGER_KILLED = "kill -9 of an order manager"
    EXECUTOR_KILLED = "kill -9 of an order executor"
    EXCHANGE_KILLED = "kill -9 of the exchange"
    CONNECT_KILLED = "kill -9 of Connect"
    BROKER_KILLED = "kill -9 of a broker"
    DATABASE_KILLED = "kill -9 of a database"
    DATABASE_STOPPED = "immediate stop of a database"
    PROCESSOR_PAUSED = "SIGSTOP of a signal processor"
    COORDINATOR_MOVED = "stop of a coordinator"


#: Whose process is hit.
OF_PROCESSES: Mapping[Kind, str] = {
    Kind.PROCESSOR_KILLED: PROCESSOR,
    Kind.MANAGER_KILLED: MANAGER,
    Kind.EXECUTOR_KILLED: EXECUTOR,
    Kind.EXCHANGE_KILLED: EXCHANGE,
    Kind.PROCESSOR_PAUSED: PROCESSOR,
}
#: What is no kill: the process goes on, or ends in order.
GENTLE = (Kind.PROCESSOR_PAUSED, Kind.COORDINATOR_MOVED)


@dataclass(frozen=True, slots=True)
class Size:
    """How big a run is. `signals` are those that count, `rate` all that are sent in a second; `members` is how many
    order managers and how many executors there are; `faults` says how often each thing happens."""

    signals: int
    rate: float
    brokers: int
    members: int
    faults: Mapping[Kind, int]

    @property
    def kills(self) -> int:
        """How many faults are kills."""
        return sum(count for kind, count in self.faults.items() if kind not in GENTLE)

    @property
    def stops(self) -> int:
        """How many are not."""
        return sum(self.faults.values()) - self.kills


SHORT = Size(
    signals=3_000,
    rate=240,
    brokers=1,
    members=1,
    faults={
        Kind.PROCESSOR_KILLED: 2,
        Kind.MANAGER_KILLED: 1,
        Kind.EXECUTOR_KILLED: 1,
        Kind.EXCHANGE_KILLED: 1,
        Kind.CONNECT_KILLED: 1,
        Kind.DATABASE_KILLED: 1,
        Kind.PROCESSOR_PAUSED: 1,
    },
)
FULL = Size(
    signals=100_000,
    rate=300,
    brokers=3,
    members=2,
    faults={
        Kind.PROCESSOR_KILLED: 8,
        Kind.MANAGER_KILLED: 6,
        Kind.EXECUTOR_KILLED: 6,
        Kind.EXCHANGE_KILLED: 3,
        Kind.CONNECT_KILLED: 3,
        Kind.BROKER_KILLED: 4,
        Kind.DATABASE_KILLED: 2,
        Kind.DATABASE_STOPPED: 2,
        Kind.PROCESSOR_PAUSED: 4,
        Kind.COORDINATOR_MOVED: 3,
    },
)
