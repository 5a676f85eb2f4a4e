"""Replication slots of connectors: a slot that nobody reads keeps the log until the disk is full. PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams_app import metrics
from streams_app.databases.pools import Databases
from streams_app.databases.statements import Statements

SQL = Statements(Path(__file__).with_name("slots.sql"))


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot: bytes of log that it holds back, whether a connector reads it, and whether log that it needs is gone."""

    name: str
    lag: int
    active: bool
    lost: bool


async def slots_of(databases: Databases, region: str) -> list[Slot]:
    """The slots of the region's database; none on CockroachDB. Raises what psycopg raises."""
    if databases.settings.dialect != "postgres":
        return []
    async with databases.connection(region) as connection:
        return [Slot(*row) for row in await (await connection.execute(SQL["slots"])).fetchall()]


async def show_slots(databases: Databases, region: str, limit: int) -> None:
    """Show the slots in the metrics; more than `limit` bytes of lag are an alert. Raises what psycopg raises."""
    metrics.SLOT_LIMIT.set(limit)
    for slot in await slots_of(databases, region):
        metrics.SLOT_LAG.labels(region, slot.name).set(slot.lag)
        metrics.SLOT_ACTIVE.labels(region, slot.name).set(slot.active)
        metrics.SLOT_LOST.labels(region, slot.name).set(slot.lost)
