"""What a part is: files it needs, a command that runs it, and a probe that says it is ready."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from ..layout import Layout
from ..ports import HOST
from ..users import User


@dataclass
class Site:
    """What all parts of one stack share. `ports` is filled by `up` and kept between commands.

    `brokers` are the names of the stack's Kafka brokers.
    """

    layout: Layout
    ports: dict[str, int]
    user: User | None
    brokers: tuple[str, ...] = ("kafka",)

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of every broker, with commas between."""
        return ",".join(self.address(name) for name in self.brokers)

    @property
    def replication(self) -> int:
        """Copies of every partition: one on each broker."""
        return len(self.brokers)

    def address(self, port: str) -> str:
        """HOST:PORT of the named port."""
        return f"{HOST}:{self.ports[port]}"

    def secret(self, role: str) -> str:
        """The password of a database role."""
        return (self.layout.secrets / role).read_text(encoding="utf-8").strip()


class Part(ABC):
    """One background process. Subclasses name it and say how it is prepared, run and probed.

    Order of calls: `prepare`, then `command`, then `is_ready` until it is true. All may be called again.
    """

    stop_signal = signal.SIGTERM
    stop_seconds = 10.0
    start_seconds = 30.0

    def __init__(self, site: Site, name: str) -> None:
        """`site` is the stack it belongs to, `name` how people call it."""
        self.site = site
        self.name = name

    @property
    def ports(self) -> tuple[str, ...]:
        """The names of the ports it listens on; the first is the one people use."""
        return (self.name,)

    @property
    def address(self) -> str:
        """Where people and programs find it."""
        return self.site.address(self.name)

    @property
    def user(self) -> User | None:
        """The user it runs as; None is ourselves."""
        return None

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.site.layout.log(self.name)

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Its own folder, also its working folder."""

    @abstractmethod
    def prepare(self) -> None:
        """Write what must exist before it starts. Keeps the data of an earlier run."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments; without secrets, everybody can read a command line."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Ask it once, within about a second, whether it serves."""

    def await_leftovers(self) -> None:
        """Wait for processes that outlive the main one; most parts have none."""
        return
