"""Workers announce where they can be scraped, in a file that Prometheus watches (file_sd)."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import orjson


def announce(path: Path, address: str) -> None:
    """Add `address` (host:port) to the target file. Raises OSError."""
    _update(path, lambda targets: targets | {address})


def withdraw(path: Path, address: str) -> None:
    """Remove `address` from the target file. Raises OSError."""
    _update(path, lambda targets: targets - {address})


def _update(path: Path, change: Callable[[set[str]], set[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        groups = orjson.loads(path.read_bytes() or b"[]") if path.exists() else []
        targets = change({target for group in groups for target in group["targets"]})
        fresh = path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps([{"targets": sorted(targets), "labels": {"application": "streams_app"}}]))
        # Prometheus runs as another user than a worker that root started.
        fresh.chmod(0o644)
        fresh.replace(path)
