"""The topics beside the production logs: both are read partition by partition, and compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.settings import Settings
from streams_app.systems.tracking.verify_across import Snapshot
from streams_app.systems.tracking.verify_checks import EVENTS_ARE_ON_THEIR_TOPIC, ON_TOPICS, RECORDS_HAVE_ROWS
from streams_app.systems.tracking.verify_topics import Compared, Produced, Seen, Topics, compare
from streams_app.verification import Finding, Violation

SQL = Statements(Path(__file__).with_name("verify.sql"))

ROWS_AT_ONCE = 20_000
# Where `of_topic` puts events that have no partition.
UNPUBLISHED = -1


async def check_topics(
    settings: Settings, snapshots: Sequence[Snapshot], topics: Topics, kept_from: datetime, samples: int
) -> tuple[list[Finding], dict[str, int]]:
    """The findings of all checks of topics, and figures of them.

    Records older than `kept_from` need no row. The topics are read after the snapshots were taken, so that what
    these call published is there. Raises what psycopg and `topics` raise.
    """
    total = Compared()
    for topic in await _topics(snapshots):
        await _check_topic(settings, snapshots, topics, topic, kept_from.timestamp() * 1000, total)
    findings = []
    for check in ON_TOPICS:
        offenders = [violation for of, violation in total.violations if of is check]
        findings.append(Finding(check, len(offenders), tuple(offenders[:samples])))
    return findings, {"records": total.records, "repeated": total.repeated, "removed": total.removed}


async def _topics(snapshots: Sequence[Snapshot]) -> list[str]:
    names: set[str] = set()
    for snapshot in snapshots:
        cursor = await snapshot.connection.execute(SQL["topics"], snapshot.arguments)
        names.update(name for (name,) in await cursor.fetchall())
    return sorted(names)


async def _check_topic(
    settings: Settings, snapshots: Sequence[Snapshot], topics: Topics, topic: str, since: float, total: Compared
) -> None:
    partitions = await topics.kept(topic)
    async with _rows_of(snapshots, topic) as readers:
        unpublished = [row for reader in readers for row in await reader.of_partition(UNPUBLISHED)]
        for partition in sorted(partitions):
            kept, where = partitions[partition], f"{topic}-{partition}"
            rows = [row for reader in readers for row in await reader.of_partition(partition)]
            seen = [record async for record in topics.seen(topic, partition, kept)]
            found = compare(where, [*rows, *unpublished], seen, kept)
            young = [record for record in found.strangers if record.timestamp >= since]
            known = await _known(settings, young)
            total.repeated += found.repeated + sum(record.event_id in known for record in young)
            total.records += found.records
            total.removed += found.removed
            total.violations += found.violations
            total.violations += [
                (RECORDS_HAVE_ROWS, Violation("no region", f"event {one.event_id} at {where} offset {one.offset}"))
                for one in young
                if one.event_id not in known
            ]
        # Of partitions that the topic does not have.
        total.violations += [
            (
                EVENTS_ARE_ON_THEIR_TOPIC,
                Violation(row.region, f"event {row.event_id} of {topic}, which lacks its place"),
            )
            for reader in readers
            for row in await reader.rest()
        ]


async def _known(settings: Settings, records: Sequence[Seen]) -> set[str]:
    """The events among `records` that some region knows by now; those that came after the snapshots, or lie on another
    partition as well."""
    if not records:
        return set()
    events = sorted({record.event_id for record in records})
    known: set[str] = set()
    async with Databases(settings, "readonly") as databases:
        for region in databases.regions.names:
            async with databases.connection(region) as connection:
                cursor = await connection.execute(SQL["known"], {"region": region, "events": events})
                known.update(event_id for (event_id,) in await cursor.fetchall())
    return known


@asynccontextmanager
async def _rows_of(snapshots: Sequence[Snapshot], topic: str) -> AsyncIterator[list[_Reader]]:
    async with AsyncExitStack() as stack:
        readers = []
        for snapshot in snapshots:
            cursor = await stack.enter_async_context(snapshot.connection.cursor(name="of_topic"))
            await cursor.execute(SQL["of_topic"], {**snapshot.arguments, "topic": topic})
            readers.append(_Reader(snapshot.region, cursor))
        yield readers


class _Reader:
    """The events of one region and topic, which are asked for partition by partition, ascending."""

    def __init__(self, region: str, cursor: psycopg.AsyncServerCursor[tuple[Any, ...]]) -> None:
        self._region = region
        self._cursor = cursor
        self._ahead: list[tuple[Any, ...]] = []
        self._strays: list[tuple[Any, ...]] = []

    async def of_partition(self, partition: int) -> list[Produced]:
        """All events of the partition."""
        taken: list[tuple[Any, ...]] = []
        while self._ahead or await self._fetch():
            at = next((i for i, row in enumerate(self._ahead) if row[0] > partition), len(self._ahead))
            taken += self._ahead[:at]
            del self._ahead[:at]
            if self._ahead:
                break
        self._strays += [row for row in taken if row[0] != partition]
        return [self._produced(row) for row in taken if row[0] == partition]

    async def rest(self) -> list[Produced]:
        """Those of partitions that nobody asked for."""
        while await self._fetch():
            pass
        return [self._produced(row) for row in (*self._strays, *self._ahead)]

    async def _fetch(self) -> bool:
        more = await self._cursor.fetchmany(ROWS_AT_ONCE)
        self._ahead += more
        return bool(more)

    def _produced(self, row: tuple[Any, ...]) -> Produced:
        place, offset, event_id, event_key, number, excepted = row
        return Produced(self._region, number, event_id, event_key, None if place == UNPUBLISHED else offset, excepted)
