"""The proof for tracked events: from one read-only snapshot per region, and from the topics themselves.

A snapshot shows every transaction whole or not at all, so running relays and consumers raise no false alarm.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams_app.databases import Statements
from streams_app.databases.snapshots import snapshot_of
from streams_app.settings import Settings
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.verify_across import Snapshot, check_across
from streams_app.systems.tracking.verify_checks import ACROSS, ON_TOPICS, REGIONAL
from streams_app.systems.tracking.verify_reading import check_topics
from streams_app.systems.tracking.verify_topics import Topics
from streams_app.verification import Check, Finding, Report, Violation, merged

SQL = Statements(Path(__file__).with_name("verify.sql"))

Progress = Callable[[], None]


def steps(settings: Settings, *, topics: bool) -> int:
    """How often `verify` calls `on_check`."""
    return len(REGIONAL) * len(settings.regions) + len(ACROSS) + (len(ON_TOPICS) if topics else 0)


async def verify(
    settings: Settings,
    *,
    grace: float,
    samples: int,
    topics: Topics | None = None,
    on_check: Progress = lambda: None,
) -> Report:
    """Check all regions side by side, and `topics`, when they are given.

    `grace` (seconds) is how long an event may wait anywhere; at most `samples` violations of a check are named.
    `on_check` is called after each check of each region. Raises what psycopg and `topics` raise.
    """
    async with AsyncExitStack() as stack:
        snapshots = [
            Snapshot(
                name,
                await stack.enter_async_context(snapshot_of(settings, name)),
                arguments(settings.tracking, name, grace),
            )
            for name in settings.regions
        ]
        for snapshot in snapshots:
            await _complete(snapshot, snapshots)
        parts = await asyncio.gather(*(_check_region(snapshot, samples, on_check) for snapshot in snapshots))
        across = await check_across(snapshots, grace, samples)
        for _ in ACROSS:
            on_check()
        figures = await _figures(snapshots)
        on_topics: list[Finding] = []
        if topics is not None:
            kept_from = min(snapshot.arguments["kept_from"] for snapshot in snapshots)
            on_topics, counts = await check_topics(settings, snapshots, topics, kept_from, samples)
            figures |= counts
            for _ in ON_TOPICS:
                on_check()
    found = [finding for part in parts for finding in part]
    return Report("tracking", merged([*found, *across, *on_topics], samples), figures)


def arguments(tracking: TrackingSettings, region: str, grace: float) -> dict[str, Any]:
    """What the statements of a region need to know beside what its database says."""
    return {
        "region": region,
        "held": [region],
        "grace": grace,
        "relayed": tracking.delivery == "relay",
        "logged": "off" not in (tracking.consumption, *tracking.topics.values()),
    }


async def _complete(snapshot: Snapshot, snapshots: Sequence[Snapshot]) -> None:
    """What only the database knows: which regions it holds, and since which day its logs are kept."""
    [(is_shared,)] = await _rows(snapshot, "is_shared")
    if is_shared:
        # Another region's rows are no strays there; the first region looks for those of no region.
        snapshot.arguments["held"] = [one.region for one in snapshots] if snapshot is snapshots[0] else None
    days = [name for (name,) in await _rows(snapshot, "days")]
    [(first,)] = await _rows(snapshot, "first_row")
    snapshot.arguments["kept_from"] = kept_from(days, first)


def kept_from(partitions: Sequence[str], first: datetime | None) -> datetime:
    """The beginning of the oldest day that the logs still have, from the names of their partitions, else from their
    first row; without either no day is kept."""
    days = sorted(name[-8:] for name in partitions if name[-8:].isdigit())
    if days:
        return datetime.strptime(days[0], "%Y%m%d").replace(tzinfo=UTC)
    if first is None:
        return datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    return first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def _check_region(snapshot: Snapshot, samples: int, on_check: Progress) -> list[Finding]:
    findings = []
    for check in REGIONAL:
        findings.append(await _run(snapshot, check, samples))
        on_check()
    return findings


async def _run(snapshot: Snapshot, check: Check, samples: int) -> Finding:
    # Materialized, so that the planner does not bring all rows into the order that only offenders need.
    statement = b"WITH v AS MATERIALIZED (%s) SELECT count(*) OVER (), offender FROM v ORDER BY offender LIMIT %d"
    cursor = await snapshot.connection.execute(statement % (SQL[check.name], samples), snapshot.arguments)
    rows = await cursor.fetchall()
    return Finding(check, rows[0][0] if rows else 0, tuple(Violation(snapshot.region, row[1]) for row in rows))


async def _figures(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """How much there is: events published and processed, on their way, given up; by status and by region."""
    counts: dict[str, Counter[str]] = {"produced": Counter(), "consumed": Counter(), "by_region": Counter()}
    for snapshot in snapshots:
        for way, status, count in await _rows(snapshot, "figures"):
            counts[way][status] += count
            counts["by_region"][snapshot.region] += count
    produced, consumed = counts["produced"], counts["consumed"]
    return {
        "published": produced["PUBLISHED"],
        "processed": consumed["PROCESSED"],
        "pending": produced["PENDING"] + produced["PUBLISHING"],
        "failed": produced["FAILED"] + consumed["FAILED"],
        "by_production_status": dict(produced),
        "by_consumption_status": dict(consumed),
        "by_region": {snapshot.region: counts["by_region"][snapshot.region] for snapshot in snapshots},
    }


async def _rows(snapshot: Snapshot, name: str, more: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    cursor = await snapshot.connection.execute(SQL[name], {**snapshot.arguments, **(more or {})})
    return await cursor.fetchall()
