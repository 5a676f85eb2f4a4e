"""The workers of a run, and the commands that it gives."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.chaos.errors import ChaosError
from deploy.chaos.members import Member
from deploy.demo.run import APPLICATION
from deploy.local.layout import PROJECT
from deploy.local.ports import HOST
from deploy.local.rest import get_json

# What all processes are told: small slices and units, and a market that takes its time, so that something is always
# under way.
COMMON = {
    "STREAMS_SYSTEMS": "allocations",
    "STREAMS_SESSION_TIMEOUT": "6",
    "STREAMS_ALLOCATIONS__BUCKETS": "4",
    "STREAMS_ALLOCATIONS__PARTITIONS": "4",
    "STREAMS_ALLOCATIONS__SLICE_ACCOUNTS": "10",
    "STREAMS_ALLOCATIONS__UNITS": '{"router": 1, "capture": 100, "filler": 10, "booker": 10}',
    "STREAMS_ALLOCATIONS__MARKET__PIECES": "16",
    "STREAMS_ALLOCATIONS__MARKET__PIECES_A_ROUND": "2",
    "STREAMS_ALLOCATIONS__MARKET__INTERVAL": "0.3",
    "STREAMS_ALLOCATIONS__RECONCILE_INTERVAL": "0.5",
}


def worker(name: str, port: int, environment: Mapping[str, str], logs: Path) -> Member:
    """A worker, whose page is at `port`."""
    own = {"STREAMS_DATA_DIR": str(logs / name), "STREAMS_WEB_PORT": str(port)}
    return Member(name, [*APPLICATION, "-L", "uvloop", "worker"], {**environment, **own}, logs, ends=False)


def is_ready(port: int) -> bool:
    """Whether the worker at `port` is well and has partitions."""
    try:
        page = get_json(f"http://{HOST}:{port}/health")
    except OSError:
        return False
    return bool(page["status"] == "ok" and page["partitions"])


def say(*words: str) -> bytes:
    """What a command of allocations answers. Raises ChaosError."""
    command = [*APPLICATION, "allocations", *words]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, **COMMON}, capture_output=True, check=False)
    if done.returncode != 0:
        raise ChaosError(f"`allocations {' '.join(words)}` failed:\n{done.stderr.decode()[-2000:]}")
    return done.stdout
