"""Faults of the parts: broker, databases, poolers and Connect are killed, bounced, paused, told to reload."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Self

from deploy.chaos.faults.base import Fault, RegionFault, any_region
from deploy.chaos.system import System

# PgBouncer does on signals what its console does on commands.
PAUSE, RESUME, RELOAD = signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP


@dataclass(frozen=True)
class BrokerKilled(Fault):
    """The broker is killed with SIGKILL and started again."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Down for some seconds, and as long as its start takes."""
        return cls(rng.uniform(0, 4))

    def inject(self, system: System) -> None:
        """SIGKILL."""
        system.stack.kill("kafka")

    def heal(self, system: System) -> None:
        """Start it and await it."""
        system.stack.restart("kafka")

    @property
    def what(self) -> str:
        """As the class says."""
        return f"broker kill -9, down for {self.seconds:.1f} s"


@dataclass(frozen=True)
class BrokerBounced(Fault):
    """The broker is stopped as its operators would, and started again."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Nothing is left to chance."""
        return cls(0)

    def inject(self, system: System) -> None:
        """Nothing yet: stop and start are one."""

    def heal(self, system: System) -> None:
        """Stop, start, await."""
        system.stack.restart("kafka")

    @property
    def what(self) -> str:
        """As the class says."""
        return "broker stopped cleanly and started"


@dataclass(frozen=True)
class ConnectKilled(Fault):
    """Kafka Connect, with the connectors of all regions, is killed with SIGKILL and started again."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Down for some seconds, and as long as its start takes."""
        return cls(rng.uniform(0, 3))

    def inject(self, system: System) -> None:
        """SIGKILL."""
        system.stack.kill("connect")

    def heal(self, system: System) -> None:
        """Start it and await the connectors."""
        system.stack.restart("connect")

    @property
    def what(self) -> str:
        """As the class says."""
        return f"Connect kill -9, down for {self.seconds:.1f} s"


@dataclass(frozen=True)
class DatabaseKilled(RegionFault):
    """A region's PostgreSQL is killed with SIGKILL and started again."""

    number: ClassVar[signal.Signals] = signal.SIGKILL

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Down for up to two seconds, and as long as its start takes."""
        return cls(rng.uniform(0, 2), any_region(rng))

    def inject(self, system: System) -> None:
        """Send the signal."""
        system.stack.kill(f"postgres-{self.region}", self.number)

    def heal(self, system: System) -> None:
        """Start it and await it."""
        system.stack.restart(f"postgres-{self.region}")

    @property
    def what(self) -> str:
        """As the class says."""
        return f"PostgreSQL of {self.region} {self.number.name}, down for {self.seconds:.1f} s"


@dataclass(frozen=True)
class DatabaseRestarted(DatabaseKilled):
    """A region's PostgreSQL is told to stop at once (the mode `immediate`), and started again."""

    number: ClassVar[signal.Signals] = signal.SIGQUIT


@dataclass(frozen=True)
class PoolerKilled(RegionFault):
    """A region's PgBouncer is killed with SIGKILL and started again."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Down for some seconds."""
        return cls(rng.uniform(0, 4), any_region(rng))

    def inject(self, system: System) -> None:
        """SIGKILL."""
        system.stack.kill(f"pgbouncer-{self.region}")

    def heal(self, system: System) -> None:
        """Start it and await it."""
        system.stack.restart(f"pgbouncer-{self.region}")

    @property
    def what(self) -> str:
        """As the class says."""
        return f"PgBouncer of {self.region} kill -9, down for {self.seconds:.1f} s"


@dataclass(frozen=True)
class PoolerPaused(RegionFault):
    """A region's PgBouncer is told to PAUSE, later to RESUME: clients wait."""

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Longer than a worker waits for a connection, too."""
        return cls(rng.uniform(2, 8), any_region(rng))

    def inject(self, system: System) -> None:
        """PAUSE."""
        system.stack.kill(f"pgbouncer-{self.region}", PAUSE)

    def heal(self, system: System) -> None:
        """RESUME."""
        system.stack.kill(f"pgbouncer-{self.region}", RESUME)

    @property
    def what(self) -> str:
        """As the class says."""
        return f"PgBouncer of {self.region} PAUSE for {self.seconds:.1f} s"


@dataclass(frozen=True)
class PoolersReloaded(Fault):
    """Every region's PgBouncer is told to RELOAD, several times."""

    times: int

    @classmethod
    def draw(cls, rng: Random) -> Self:
        """Some times."""
        return cls(0, rng.randint(2, 5))

    def inject(self, system: System) -> None:
        """RELOAD, and again half a second later."""
        for _ in range(self.times):
            for part in system.stack.poolers.values():
                system.stack.kill(part.name, RELOAD)
            time.sleep(0.5)

    def heal(self, system: System) -> None:
        """Nothing to do: nothing is broken."""

    @property
    def what(self) -> str:
        """As the class says."""
        return f"{self.times} × RELOAD of every PgBouncer"
