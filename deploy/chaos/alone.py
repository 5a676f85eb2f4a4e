"""A run has its stack for itself, and is ended in order by the signals that ask for it."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from deploy.chaos.errors import ChaosError
from deploy.local import Stack


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """While inside, no other run uses the stack in `root`. Raises ChaosError when one does."""
    root.parent.mkdir(exist_ok=True)
    with root.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChaosError("another run is under way in this checkout") from None
        yield


@contextmanager
def cleaned(stack: Stack) -> Iterator[Stack]:
    """A stack that begins with nothing, and is gone afterwards. Raises ChaosError when another run has it."""
    with alone(stack.layout.root):
        stack.clean()
        try:
            yield stack
        finally:
            stack.clean()


def interruptible() -> None:
    """SIGTERM and SIGHUP end the process as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
