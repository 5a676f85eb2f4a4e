"""A region as it is at one moment, read-only: what a proof is read from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from streams_app.databases.connecting import Connection, connect_arguments
from streams_app.databases.pools import Place
from streams_app.settings import Settings


@asynccontextmanager
async def snapshot_of(settings: Settings, region: str) -> AsyncIterator[Connection]:
    """A transaction that sees `region` as it is now, and cannot write. Raises what psycopg raises."""
    async with snapshot_at(Place(*settings.pooler_of(region, "readonly"), settings.database)) as connection:
        yield connection


@asynccontextmanager
async def snapshot_at(place: Place) -> AsyncIterator[Connection]:
    """The same of the database at `place`."""
    async with await psycopg.AsyncConnection.connect(
        **connect_arguments(place.login, place.address, "readonly", place.database)
    ) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        async with connection.transaction():
            yield connection
