"""A region that is full and analysed: what plans are looked at in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from streams_app.settings import Settings


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, from the top."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def fill(settings: Settings, stack: Any, region: str, script: Path, analyse: bytes) -> tuple[dict[str, str], set[str]]:
    """Run a script as the cluster's superuser, then `analyse`.

    Returns the indexes by the names that partitions call them, and the tables that have rows.
    """
    host, _, port = settings.regions[region].server.rpartition(":")
    arguments = {"host": host, "port": port, "dbname": settings.database.name, "user": "postgres"}
    with psycopg.connect(**arguments, password=stack.site.secret("postgres"), autocommit=True) as administrator:
        administrator.execute(script.read_bytes())
        administrator.execute(analyse)
        indexes = dict(
            administrator.execute(
                b"SELECT c.relname, coalesce(p.relname, c.relname) FROM pg_class c"
                b" LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent"
                b" WHERE c.relkind = 'i'"
            ).fetchall()
        )
        counted = administrator.execute(b"SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 0")
        return indexes, {name for (name,) in counted.fetchall()}
