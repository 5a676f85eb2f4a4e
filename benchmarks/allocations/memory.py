"""What workers and database servers take of the memory while something runs."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.regions.memory import proportional_bytes

INTERVAL = 0.5


class Memory:
    """Samples in a thread of its own. Use as a context manager; afterwards it knows the most of each."""

    def __init__(self, servers: Iterable[int]) -> None:
        """`servers` are the process ids of the database servers."""
        self._servers = list(servers)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        #: Bytes: of this process and those that it has started, and of the servers with all of theirs.
        self.workers = 0
        self.databases = 0

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            children = _children()
            self.workers = max(self.workers, _bytes([os.getpid()], children))
            self.databases = max(self.databases, _bytes(self._servers, children))


def _bytes(roots: Iterable[int], children: dict[int, list[int]]) -> int:
    return sum(proportional_bytes(pid) for root in roots for pid in _family(root, children))


def _family(root: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield root
    for child in children.get(root, []):
        yield from _family(child, children)


def _children() -> dict[int, list[int]]:
    """The processes that each process has started."""
    found: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            parent = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        except OSError:
            continue  # one that has ended
        found[int(parent)].append(int(path.parent.name))
    return found
