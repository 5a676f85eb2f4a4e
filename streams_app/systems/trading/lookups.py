"""What people look at: the newest orders and events of every region."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from streams_app.databases import Databases, Statements

SQL = Statements(Path(__file__).with_name("outbox.sql"))

ORDER_COLUMNS = (
    *("created_at", "region", "client_order_id", "symbol", "side", "qty", "price", "confidence", "status"),
    *("filled_qty", "filled_price", "reject_reason"),
)
EVENT_COLUMNS = ("occurred_at", "region", "event_id", "aggregate_type", "aggregate_id", "type", "payload")


async def newest_orders(databases: Databases, regions: list[str], limit: int) -> list[dict[str, Any]]:
    """The newest orders of regions together. Raises what psycopg raises."""
    return await _newest(databases, regions, "newest_orders", ORDER_COLUMNS, limit)


async def newest_events(databases: Databases, regions: list[str], limit: int) -> list[dict[str, Any]]:
    """The newest events of the outboxes of regions together. Raises what psycopg raises."""
    return await _newest(databases, regions, "newest_events", EVENT_COLUMNS, limit)


async def orders_by_status(databases: Databases, regions: list[str]) -> Counter[str]:
    """How many orders there are in each status. Raises what psycopg raises."""
    counts: Counter[str] = Counter()
    for region in regions:
        async with databases.connection(region) as connection:
            rows = await (await connection.execute(SQL["orders_by_status"], {"region": region})).fetchall()
        counts.update(dict(rows))
    return counts


async def _newest(
    databases: Databases, regions: list[str], name: str, columns: tuple[str, ...], limit: int
) -> list[dict[str, Any]]:
    found = []
    for region in regions:
        async with databases.connection(region) as connection:
            rows = await (await connection.execute(SQL[name], {"region": region, "limit": limit})).fetchall()
        found += [dict(zip(columns, (first, region, *rest), strict=True)) for first, *rest in rows]
    return sorted(found, key=lambda row: row[columns[0]], reverse=True)[:limit]
