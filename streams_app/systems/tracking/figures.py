"""Reads the figures of both logs, for `tracking status` and for the metrics."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from psycopg.rows import dict_row

from streams_app import metrics
from streams_app.databases import Databases, Statements
from streams_app.errors import is_outage
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.alerts import AlertName, judge, limits_of
from streams_app.systems.tracking.model import ProductionStatus
from streams_app.systems.tracking.summaries import OPEN, Backlog, Cell, Figures, Side, days_ahead

SQL = Statements(Path(__file__).with_name("figures.sql"))
LOGS: Final = ("event_production_log", "event_consumption_log")
# Those that need no window: Prometheus makes the rates from the counters.
_GAUGED: Final = (AlertName.BACKLOG, AlertName.OLDEST, AlertName.CONSUMPTION_BACKLOG, AlertName.DAYS_AHEAD)
Row = dict[str, Any]


async def all_figures(databases: Databases, window: float) -> list[Figures]:
    """The figures of every region, side by side, with those of the last `window` seconds.

    A region that does not answer has none. Raises what else psycopg raises.
    """
    return list(await asyncio.gather(*(_figures(databases, region, window) for region in databases.regions.names)))


async def backlog_of(databases: Databases, region: str) -> Backlog:
    """What is not done in a region, and for how many days there is room. Raises what psycopg raises."""
    counts: dict[Side, dict[str, int]] = defaultdict(dict)
    waits = []
    for row in await _rows(databases, region, "backlog", {}):
        side = Side(row["side"])
        counts[side][row["status"]] = row["events"]
        if side is Side.PRODUCED and row["status"] in OPEN[side]:
            waits.append(row["oldest_seconds"])
    return Backlog(dict(counts), max(waits, default=None), await _days(databases, region))


async def refresh(databases: Databases, region: str, settings: TrackingSettings) -> None:
    """Set the gauges of a region from its database. Raises what psycopg raises: the gauges stay as they were."""
    backlog, limits = await backlog_of(databases, region), limits_of(settings)
    for side in Side:
        for status in (*OPEN[side], ProductionStatus.FAILED):
            metrics.TRACKING_BACKLOG.labels(region, side, status).set(backlog.counts.get(side, {}).get(status, 0))
    metrics.TRACKING_OLDEST.labels(region).set(backlog.oldest_seconds or 0.0)
    if backlog.days_ahead is not None:
        metrics.TRACKING_DAYS_AHEAD.labels(region).set(backlog.days_ahead)
    holding = {alert.name for alert in judge([Figures(region, backlog)], limits)}
    for name in _GAUGED:
        metrics.TRACKING_ALERT.labels(region, name).set(name in holding)
    for name, limit in (
        (AlertName.BACKLOG, limits.backlog),
        (AlertName.OLDEST, limits.oldest_seconds),
        (AlertName.FAILURE_RATE, limits.failure_rate),
        (AlertName.RETRY_RATE, limits.retry_rate),
        (AlertName.DAYS_AHEAD, limits.days_ahead),
    ):
        metrics.TRACKING_LIMIT.labels(name).set(limit)


async def _figures(databases: Databases, region: str, window: float) -> Figures:
    try:
        backlog = await backlog_of(databases, region)
        cells = [
            Cell(
                side,
                row["service"],
                row["status"],
                row["bucket"],
                row["events"],
                int(row["retried"]),
                float(row["milliseconds"] or 0),
            )
            for side in Side
            for row in await _rows(databases, region, side.value, {"seconds": window})
        ]
    except Exception as error:
        if is_outage(error):
            return Figures(region, None)
        raise
    return Figures(region, backlog, cells)


async def _days(databases: Databases, region: str) -> int | None:
    if databases.settings.dialect != "postgres":
        return None
    rows = await _rows(databases, region, "days", {})
    return days_ahead([row["name"] for row in rows], LOGS, rows[0]["today"]) if rows else 0


async def _rows(databases: Databases, region: str, name: str, arguments: dict[str, Any]) -> list[Row]:
    async with databases.connection(region) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(SQL[name], {"region": region, **arguments})).fetchall()
