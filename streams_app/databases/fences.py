"""Fences: a row per consumer group and partition in every region keeps former owners of the partition out.

A transaction that carries effects of records first claims their partitions in the name of the group's generation, or,
when that is done, holds the claim with a shared lock. A worker that lost its partitions finds a higher generation there
and commits nothing more. The epoch moves when a replay makes older claims void.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import TupleRow

from streams_app.databases.statements import Statements
from streams_app.errors import FencedError

SQL = Statements(Path(__file__).with_name("fences.sql"))

Place: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Fence:
    """One assignment of one worker: the group, its generation, and the epochs of what it claimed, by region."""

    group: str
    generation: int
    claims: dict[str, dict[Place, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guarded:
    """The fence, and the partitions whose records are being processed."""

    fence: Fence
    places: tuple[Place, ...]


_CURRENT: ContextVar[Guarded | None] = ContextVar("guarded", default=None)


def current() -> Guarded | None:
    """In whose name the present task works; None: of no partition (a sweep, a command)."""
    return _CURRENT.get()


@contextmanager
def guarding(fence: Fence, places: Collection[Place]) -> Iterator[None]:
    """Everything started inside works in the name of `fence`, with records of `places` (topic, partition)."""
    token = _CURRENT.set(Guarded(fence, tuple(sorted((topic, partition) for topic, partition in places))))
    try:
        yield
    finally:
        _CURRENT.reset(token)


async def pass_fence(connection: psycopg.AsyncConnection[TupleRow], region: str, guarded: Guarded) -> dict[Place, int]:
    """Hold the fence until the transaction ends; returns what was claimed newly, to be noted after the commit.

    Raises FencedError when a higher generation, or a newer epoch, has one of the partitions.
    """
    fence, places = guarded.fence, guarded.places
    known = fence.claims.get(region, {})
    held = all(place in known for place in places)
    cursor = await connection.execute(SQL["hold" if held else "claim"], _arguments(fence, region, places))
    rows = await cursor.fetchall()
    if held:
        claimed: dict[Place, int] = {}
        stands = len(rows) == len(places)
    else:
        claimed = {(topic, partition): epoch for topic, partition, epoch in rows}
        stands = all(claimed.get(place) == known.get(place, claimed.get(place, -1)) for place in places)
    if not stands:
        raise _fenced(fence, region, places)
    return claimed


async def advance(connection: psycopg.AsyncConnection[TupleRow], region: str, group: str) -> None:
    """Make every claim of a group void, while none of its workers runs: a replay begins, or the group was made anew."""
    await connection.execute(SQL["advance"], {"region": region, "group": group})


def _arguments(fence: Fence, region: str, places: Collection[Place]) -> dict[str, Any]:
    known = fence.claims.get(region, {})
    return {
        "region": region,
        "group": fence.group,
        "generation": fence.generation,
        "topics": [topic for topic, _ in places],
        "partitions": [partition for _, partition in places],
        "epochs": [known.get(place, 0) for place in places],
    }


def _fenced(fence: Fence, region: str, places: Collection[Place]) -> FencedError:
    names = ", ".join(f"{topic}/{partition}" for topic, partition in places)
    return FencedError(
        f"region {region}: another worker has one of {names}, or the group {fence.group} was made anew (its generation "
        f"is {fence.generation}); in that case stop the workers and run `faust -A streams_app replay --by-duration 0s`"
    )
