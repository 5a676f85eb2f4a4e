"""What a stack remembers between commands: its shape, its ports and its processes; and the lock that guards it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import StackError
from .processes import Process

BROKERS = (1, 3)


@dataclass(frozen=True)
class Shape:
    """What a stack is made of, from its first `up` to `clean`. Raises StackError for a number without a quorum."""

    brokers: int = 1
    #: The templates, each of which makes a connector in every region.
    connectors: tuple[str, ...] = ("requests",)

    def __post_init__(self) -> None:
        """Two brokers would be down as soon as one of them is."""
        if self.brokers not in BROKERS:
            raise StackError(f"a stack has 1 or 3 brokers, not {self.brokers}")

    def __str__(self) -> str:
        """For people."""
        return f"brokers: {self.brokers}, connectors: {', '.join(self.connectors) or 'none'}"


@dataclass
class State:
    """Ports by name and processes by part; a part with a record was started and not stopped by us."""

    path: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    shape: Shape = Shape()

    @classmethod
    def load(cls, path: Path) -> State:
        """Read the state at `path`; empty when there is none. Raises StackError when it is unreadable."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            processes = {name: Process(**value) for name, value in data["processes"].items()}
            # The file of an older stack does not say what it is made of.
            shape = Shape(data.get("brokers", 1), tuple(data.get("connectors", ["requests"])))
            return cls(path, dict(data["ports"]), processes, shape)
        except FileNotFoundError:
            return cls(path)
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(f"{path} is damaged ({error}); stop its processes by hand and remove it") from error

    def save(self) -> None:
        """Write the state as a whole or not at all."""
        data = {
            **asdict(self.shape),
            "ports": self.ports,
            "processes": {name: asdict(process) for name, process in self.processes.items()},
        }
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.path)

    def running(self, part: str) -> Process | None:
        """The living process of `part`, or None."""
        process = self.processes.get(part)
        return process if process and process.is_alive() else None


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the stack at `root` for one command; a second command waits here."""
    path = root / "lock"
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # `clean` removed the folder between the check and here
            root.mkdir(parents=True)
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # `clean` may have removed the file we waited for: a lock on a removed file guards nothing.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            break
        os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)
