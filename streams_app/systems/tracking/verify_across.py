"""What must hold over all regions: their rows, sorted by a key, are read side by side in pieces."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.systems.tracking.rules import shard_of
from streams_app.systems.tracking.verify_checks import (
    ACROSS,
    EVENTS_ARE_CONSUMED_ONCE,
    EVENTS_ARE_IN_THEIR_SHARD,
    EVENTS_ARE_UNIQUE,
    PAYLOADS_AGREE,
    PLACES_HOLD_ONE_EVENT,
    PUBLISHED_EVENTS_ARE_CONSUMED,
)
from streams_app.verification import Check, Finding, Violation

SQL = Statements(Path(__file__).with_name("verify.sql"))

# Rows read at once from each region: a few megabytes.
ROWS_AT_ONCE = 20_000

# A cursor is named after its statement; its rows begin with a key of so many columns.
PRODUCED, CONSUMED, PLACES = ("produced", 1), ("consumed", 1), ("places", 3)

Key = tuple[Any, ...]
Found = tuple[Check, Violation]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a region looks like now, and the arguments that its statements take."""

    region: str
    connection: Connection
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One of the rows with the same key; `values` are its other columns."""

    region: str
    source: str
    values: tuple[Any, ...]


@dataclass(slots=True)
class Begun:
    """Since when a group consumes a topic, and from which offset of each partition."""

    received_at: datetime
    offsets: dict[int, int] = field(default_factory=dict)

    def covers(self, partition: int, offset: int, published_at: datetime, grace: float) -> bool:
        """Whether an event at this place is the group's to process."""
        first = self.offsets.get(partition)
        # Of a partition that it has no row of, what was published well after it began on the others.
        return published_at > self.received_at + timedelta(seconds=grace) if first is None else offset >= first


Groups = Mapping[str, Mapping[str, Begun]]  # by topic, by group


async def check_across(snapshots: Sequence[Snapshot], grace: float, samples: int) -> list[Finding]:
    """The findings of all checks that compare regions. Raises what psycopg raises."""
    groups = await _groups(snapshots)
    found = _Collected(samples)
    async for key, rows in merged(snapshots, PRODUCED, CONSUMED):
        found.add(judge(key[0], rows, groups, grace))
    async for key, rows in merged(snapshots, PLACES):
        if len(rows) > 1:
            found.add([shared_place(key, rows)])
    return found.findings()


class _Collected:
    """Violations as they come: all are counted, some are kept."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._counts = dict.fromkeys(ACROSS, 0)
        self._kept: dict[Check, list[Violation]] = defaultdict(list)

    def add(self, found: Iterable[Found]) -> None:
        for check, violation in found:
            self._counts[check] += 1
            if len(self._kept[check]) < self._samples:
                self._kept[check].append(violation)

    def findings(self) -> list[Finding]:
        return [Finding(check, count, tuple(self._kept[check])) for check, count in self._counts.items()]


def judge(event_id: str, rows: Sequence[Row], groups: Groups, grace: float) -> list[Found]:
    """What is wrong with one event, given all its rows: those of `produced` and of `consumed` in verify.sql."""
    produced = [row for row in rows if row.source == PRODUCED[0]]
    consumed: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.source == CONSUMED[0]:
            consumed[row.values[0]].append(row)
    found = [(EVENTS_ARE_UNIQUE, _violation(produced, f"event {event_id}"))] if len(produced) > 1 else []
    for group, of_group in consumed.items():
        if len(of_group) > 1:
            found.append((EVENTS_ARE_CONSUMED_ONCE, _violation(of_group, f"event {event_id} of {group}")))
    if not produced:
        return found  # it comes from elsewhere
    others = [row for of_group in consumed.values() for row in of_group if row.values[1] != produced[0].values[1]]
    if others:
        found.append((PAYLOADS_AGREE, _violation(others, f"event {event_id} of {others[0].values[0]}")))
    for row in produced:
        found += _unconsumed(event_id, row, consumed, groups, grace)
        key, shard = row.values[-2:]
        if shard != shard_of(key, event_id):
            found.append((EVENTS_ARE_IN_THEIR_SHARD, _violation([row], f"event {event_id} of key {key} in {shard}")))
    return found


def _unconsumed(
    event_id: str, row: Row, consumed: Mapping[str, Sequence[Row]], groups: Groups, grace: float
) -> list[Found]:
    topic, _, status, partition, offset, published_at, is_ripe, _, _ = row.values
    if status != "PUBLISHED" or not is_ripe or partition is None or offset is None:
        return []
    return [
        (PUBLISHED_EVENTS_ARE_CONSUMED, Violation(row.region, f"event {event_id} of {topic} by {group}"))
        for group, begun in groups.get(topic, {}).items()
        if begun.covers(partition, offset, published_at, grace)
        and not any(one.values[2] in ("PROCESSED", "FAILED") for one in consumed.get(group, ()))
    ]


def shared_place(key: Key, rows: Sequence[Row]) -> Found:
    """The violation of several events at one place."""
    names = " and ".join(sorted(f"event {row.values[0]}" for row in rows))
    return PLACES_HOLD_ONE_EVENT, _violation(rows, f"{key[0]}-{key[1]} offset {key[2]} of {names}")


def _violation(rows: Iterable[Row], offender: str) -> Violation:
    return Violation(" and ".join(dict.fromkeys(row.region for row in rows)), offender)


async def _groups(snapshots: Sequence[Snapshot]) -> Groups:
    """Since when every group consumes, from the rows of all regions."""
    groups: dict[str, dict[str, Begun]] = defaultdict(dict)
    for snapshot in snapshots:
        cursor = await snapshot.connection.execute(SQL["begun"], snapshot.arguments)
        for group, topic, partition, offset, received_at in await cursor.fetchall():
            begun = groups[topic].setdefault(group, Begun(received_at))
            begun.received_at = min(begun.received_at, received_at)
            begun.offsets[partition] = min(begun.offsets.get(partition, offset), offset)
    return groups


async def merged(snapshots: Sequence[Snapshot], *sources: tuple[str, int]) -> AsyncIterator[tuple[Key, list[Row]]]:
    """Every key of `sources` with its rows of all regions; keys ascend. All sources have keys of one width."""
    async with AsyncExitStack() as stack:
        pages = []
        for snapshot in snapshots:
            for name, width in sources:
                cursor = await stack.enter_async_context(snapshot.connection.cursor(name=name))
                await cursor.execute(SQL[name], snapshot.arguments)
                pages.append(_Page(snapshot.region, name, width, cursor))
        while True:
            await asyncio.gather(*(page.fill() for page in pages))
            if not any(page.rows for page in pages):
                return
            # Below the last key of every page that goes on, all rows are known, whatever comes later.
            bound = min((page.last for page in pages if not page.ended), default=None)
            groups: dict[Key, list[Row]] = defaultdict(list)
            for page in pages:
                for key, values in page.take(bound):
                    groups[key].append(Row(page.region, page.source, values))
            for key, rows in groups.items():
                yield key, rows


class _Page:
    """The next rows of one region and source, ascending by their keys; empty when there are no more."""

    def __init__(
        self, region: str, source: str, width: int, cursor: psycopg.AsyncServerCursor[tuple[Any, ...]]
    ) -> None:
        self.region = region
        self.source = source
        self.rows: list[tuple[Any, ...]] = []
        self.ended = False
        self._width = width
        self._cursor = cursor

    @property
    def last(self) -> Key:
        """The key of the last row."""
        return self.rows[-1][: self._width]

    async def fill(self) -> None:
        """Have rows of at least two keys, or all that are left."""
        while not self.ended and (not self.rows or self.rows[0][: self._width] == self.last):
            more = await self._cursor.fetchmany(ROWS_AT_ONCE)
            self.ended = not more
            self.rows += more

    def take(self, bound: Key | None) -> Iterable[tuple[Key, tuple[Any, ...]]]:
        """Take away the rows whose key is below `bound`; None: all."""
        at = len(self.rows) if bound is None else bisect_left(self.rows, bound, key=lambda row: row[: self._width])
        taken, self.rows = self.rows[:at], self.rows[at:]
        return ((row[: self._width], row[self._width :]) for row in taken)
