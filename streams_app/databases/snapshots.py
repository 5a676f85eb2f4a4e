"""A region as it is at one moment, read-only: what a proof is read from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from streams_app.databases.connecting import Connection, connect_arguments
from streams_app.settings import Settings


@asynccontextmanager
async def snapshot_of(settings: Settings, region: str) -> AsyncIterator[Connection]:
    """A transaction that sees `region` as it is now, and cannot write. Raises what psycopg raises."""
    address, name = settings.pooler_of(region, "readonly")
    async with await psycopg.AsyncConnection.connect(
        **connect_arguments(settings.database, address, "readonly", name)
    ) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        async with connection.transaction():
            yield connection
