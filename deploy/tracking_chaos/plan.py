"""What everybody in a kill test agrees on: names, sizes, and where the effects of a key belong."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams_app.databases import Statements

SQL = Statements(Path(__file__).with_name("chaos.sql"))
TABLES = Path(__file__).with_name("tables.sql")

#: The name of the topic, for the processes of a run.
TOPIC_VARIABLE = "TRACKING_CHAOS_TOPIC"
KEYS_PER_REGION = 60
PARTITIONS = 6


@dataclass(frozen=True, slots=True)
class Size:
    """How big a run is. `stops` are SIGSTOPs for longer than a lease or a session; `seconds` is how long the writers
    take, during which the faults come; `members` is the number of consumers of each group."""

    events: int
    kills: int
    stops: int
    seconds: float
    relays: int
    members: int


SHORT = Size(events=3_000, kills=6, stops=2, seconds=14, relays=2, members=1)
FULL = Size(events=100_000, kills=50, stops=10, seconds=300, relays=2, members=2)


def topic() -> str:
    """The topic of this run. Raises KeyError outside of one."""
    return os.environ[TOPIC_VARIABLE]


def dead_letters(topic: str) -> str:
    """Where the run's dead letters go; there should be none."""
    return f"{topic}.dead-letters"


def home_of(key: str, regions: Sequence[str]) -> str:
    """The region of a key's effects, which is often another one than its events are written in."""
    return regions[zlib.crc32(key.encode()) % len(regions)]
