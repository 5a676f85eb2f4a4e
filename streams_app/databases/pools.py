"""One connection pool per region, through the region's PgBouncer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from streams_app.databases.breaker import Breaker
from streams_app.databases.fences import current, pass_fence
from streams_app.databases.regions import Regions
from streams_app.errors import RegionUnavailableError, SettingsError, is_outage
from streams_app.settings import DatabaseSettings, RegionSettings, Role, Settings

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

IDLE_TIMEOUT_MS = 5_000
# Seconds after which an attempt to connect is given up, and the next caller begins another one. The pool doubles the
# pause between tries of one attempt: with a long time here a region would be away twice as long as it was down.
RECONNECT_TIMEOUT = 2.0

# Transaction pooling gives every transaction another server connection: a statement prepared on one is unknown to
# the next, so prepare_threshold is None. PgBouncer refuses startup options, so time-outs are set per transaction.
_CONNECT = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 5,
    "application_name": "streams_app",
}


def connect_arguments(database: DatabaseSettings, address: str, role: Role) -> dict[str, Any]:
    """Arguments of psycopg.connect for `role` at `address` (host:port), without any password in a string."""
    host, _, port = address.rpartition(":")
    return {
        "host": host,
        "port": int(port),
        "dbname": database.name,
        "sslmode": database.sslmode,
        **database.credentials(role),
        **_CONNECT,
    }


class Databases:
    """The pools of all regions, opened together. Use as an async context manager, or open() and close()."""

    def __init__(self, settings: Settings, role: Role = "app") -> None:
        self.regions = Regions({name: region.localities for name, region in settings.regions.items()})
        self._timeout = settings.database.statement_timeout
        self._region_timeout = settings.database.region_timeout
        self._breakers = {name: Breaker() for name in settings.regions}
        self._pools = {name: _pool(settings.database, region, name, role) for name, region in settings.regions.items()}

    async def open(self) -> None:
        """Open every pool, without waiting for connections: a region that is down stops only its own work.

        Raises SettingsError when no region is set.
        """
        if not self._pools:
            raise SettingsError("no regions are set: run `make up`, or name your configuration in STREAMS_CONFIG")
        await asyncio.gather(*(pool.open(wait=False) for pool in self._pools.values()))

    async def close(self) -> None:
        """Close every pool."""
        await asyncio.gather(*(pool.close(timeout=2) for pool in self._pools.values()))

    async def __aenter__(self) -> Databases:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self, region: str) -> AsyncIterator[Connection]:
        """A connection to `region` in autocommit mode: for reads of one statement or one pipeline.

        Raises RegionUnavailableError at once while the region's breaker is open, TimeoutError when the block takes
        longer than `region_timeout`: a network that swallows everything must not hold anybody for ever.
        """
        breaker, began = self._breakers[region], time.monotonic()
        if not breaker.allows(began):
            raise RegionUnavailableError(region)
        try:
            async with asyncio.timeout(self._region_timeout), self._pools[region].connection() as connection:
                yield connection
        except Exception as error:
            if is_outage(error):
                breaker.failed(began, time.monotonic())
            raise
        breaker.succeeded()

    @asynccontextmanager
    async def transaction(self, region: str) -> AsyncIterator[Connection]:
        """A transaction in `region`; committed at the end of the block, rolled back on an exception.

        Inside a batch it holds the fence of the batch's partitions. Raises what `connection` raises, and FencedError.
        """
        guarded, claimed = current(), {}
        async with self.connection(region) as connection, connection.transaction():
            async with connection.pipeline():
                await connection.execute(b"SET LOCAL statement_timeout = %d" % int(self._timeout * 1000))
                # A worker that was stopped in mid-transaction must not keep its locks from whoever takes over.
                await connection.execute(b"SET LOCAL idle_in_transaction_session_timeout = %d" % IDLE_TIMEOUT_MS)
                if guarded is not None:
                    claimed = await pass_fence(connection, region, guarded)
            yield connection
        if guarded is not None and claimed:
            guarded.fence.claims.setdefault(region, {}).update(claimed)

    def is_down(self, region: str) -> bool:
        """Whether the region's breaker is open."""
        return self._breakers[region].is_open

    def stats(self, region: str) -> dict[str, int]:
        """Counters of the region's pool (psycopg_pool's names)."""
        return self._pools[region].get_stats()


def _pool(database: DatabaseSettings, region: RegionSettings, name: str, role: Role) -> AsyncConnectionPool[Connection]:
    return AsyncConnectionPool(
        kwargs=connect_arguments(database, region.pooler, role),
        connection_class=psycopg.AsyncConnection[TupleRow],
        min_size=database.pool_min,
        max_size=database.pool_max,
        timeout=database.pool_timeout,
        reconnect_timeout=RECONNECT_TIMEOUT,
        max_lifetime=600,
        check=AsyncConnectionPool.check_connection,
        configure=_configure,
        name=f"{name}-{role}",
        open=False,
    )


async def _configure(connection: Connection) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)
