"""One connection pool per region, through the region's PgBouncer, or through a central one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from streams_app.advice import explain
from streams_app.databases.breaker import Breaker
from streams_app.databases.connecting import Attempts, Connection, configure, connect_arguments
from streams_app.databases.fences import current, pass_fence
from streams_app.databases.regions import NOWHERE, Regions
from streams_app.databases.statements import Statements
from streams_app.errors import RegionUnavailableError, SettingsError, is_outage
from streams_app.settings import DatabaseSettings, Role, Settings

SQL = Statements(Path(__file__).with_name("pools.sql"))

# The pool's own log says the same again at every attempt; whoever waits for a connection says it, with the next step.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

IDLE_TIMEOUT_MS = 5_000
# Seconds after which an attempt to connect is given up, and the next caller begins another one. The pool doubles the
# pause between tries of one attempt: with a long time here a region would be away twice as long as it was down.
RECONNECT_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """A database behind a pooler (host:port), and who logs in to it."""

    address: str
    database: str
    login: DatabaseSettings


class Pool:
    """Connections to one database through one pooler, and why the last attempt at one failed."""

    def __init__(self, place: Place, role: Role, name: str, trusted: float = 0.0) -> None:
        """`trusted`: seconds after its last use in which a connection is not checked again."""
        settings = place.login
        self._attempts = Attempts()
        self._trusted = trusted
        self._used: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._arguments = connect_arguments(settings, place.address, role, place.database)
        self.connections: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=self._arguments,
            connection_class=self._attempts.connection_class(),
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=settings.pool_timeout,
            reconnect_timeout=RECONNECT_TIMEOUT,
            max_lifetime=settings.pool_lifetime,
            check=self._check,
            reset=self._note,
            configure=configure,
            name=name,
            open=False,
        )

    async def _check(self, connection: Connection) -> None:
        # A round trip to the database: as much as a short question itself.
        if time.monotonic() - self._used.get(connection, -self._trusted) >= self._trusted:
            await AsyncConnectionPool.check_connection(connection)

    async def _note(self, connection: Connection) -> None:
        self._used[connection] = time.monotonic()

    @asynccontextmanager
    async def connection(self, region: str) -> AsyncIterator[Connection]:
        """A connection. Raises PoolTimeout, with the reason when none could be opened."""
        found = False
        try:
            async with self.connections.connection() as connection:
                found = True
                yield connection
        except PoolTimeout as error:
            if found:
                raise  # of something within the block
            raise PoolTimeout(f"region {region}: {self._reason()}") from error

    def _reason(self) -> str:
        failure = self._attempts.failure
        if failure is not None:
            return f"no connection: {explain(failure)}"
        most, seconds = self.connections.max_size, self.connections.timeout
        return (
            f"none of the {most} connections was free within {seconds:g} s: they wait for the pooler, whose log says "
            "why when its database gives it none; else raise database.pool_max"
        )

    async def probe(self) -> None:
        """Open a connection of its own, and close it. Raises what psycopg raises."""
        connection = await self._attempts.connection_class().connect(**self._arguments)
        await connection.close()


class Databases:
    """The pools of all regions, opened together. Use as an async context manager, or open() and close()."""

    def __init__(
        self,
        settings: Settings,
        role: Role = "app",
        *,
        trusted: float = 0.0,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        """`trusted`: seconds after its last use in which a connection is not checked again, for those who can bear
        that a question fails. `places`: databases by other names than those of the regions."""
        localities = {name: region.localities for name, region in settings.regions.items()}
        self.regions = Regions(localities if places is None else dict.fromkeys(places, NOWHERE))
        self.settings = settings.database
        after, probe = self.settings.breaker_after, self.settings.breaker_probe
        places = _regional(settings, role) if places is None else places
        self._breakers = {name: Breaker(after, probe) for name in places}
        # A server that only reads, or whose disk is full, answers every read: its transactions are counted apart.
        self._writes = {name: Breaker(after, probe) for name in places}
        keys = {name: (place.address, place.database) for name, place in places.items()}
        first = {key: name for name, key in reversed(keys.items())}
        #: By the first region that uses it.
        self._shared = {name: Pool(places[name], role, f"{name}-{role}", trusted) for name in first.values()}
        self._pools = {name: self._shared[first[key]] for name, key in keys.items()}

    async def open(self) -> None:
        """Open every pool, without waiting for connections: a region that is down stops only its own work.

        Raises SettingsError when no region is set.
        """
        if not self._pools:
            raise SettingsError("no regions are set: run `make up`, or name your configuration in STREAMS_CONFIG")
        await asyncio.gather(*(pool.connections.open(wait=False) for pool in self._shared.values()))

    async def close(self) -> None:
        """Close every pool."""
        await asyncio.gather(*(pool.connections.close(timeout=2) for pool in self._shared.values()))

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
        async with (
            _watched(self._breakers[region], region),
            asyncio.timeout(self.settings.region_timeout),
            self._pools[region].connection(region) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def transaction(self, region: str) -> AsyncIterator[Connection]:
        """A transaction in `region`; committed at the end of the block, rolled back on an exception.

        Inside a batch it holds the fence of the batch's partitions. Raises what `connection` raises, and FencedError.
        `transactions.in_transaction` does this again when the database asks for it.
        """
        guarded, claimed = current(), {}
        async with (
            _watched(self._writes[region], region),
            self.connection(region) as connection,
            connection.transaction(),
        ):
            async with connection.pipeline():
                if self.settings.isolation is not None:
                    await connection.execute(SQL[self.settings.isolation])
                await connection.execute(
                    b"SET LOCAL statement_timeout = %d" % int(self.settings.statement_timeout * 1000)
                )
                # A worker that was stopped in mid-transaction must not keep its locks from whoever takes over.
                await connection.execute(b"SET LOCAL idle_in_transaction_session_timeout = %d" % IDLE_TIMEOUT_MS)
                if guarded is not None:
                    claimed = await pass_fence(connection, region, guarded)
            yield connection
        if guarded is not None and claimed:
            guarded.fence.claims.setdefault(region, {}).update(claimed)

    async def probe(self, region: str) -> None:
        """Connect to `region` past the pool, whose own words do not say why it cannot. Raises what psycopg raises."""
        await self._pools[region].probe()

    def is_down(self, region: str) -> bool:
        """Whether a breaker of the region is open."""
        return self._breakers[region].is_open or self._writes[region].is_open

    def stats(self) -> dict[str, dict[str, int]]:
        """Figures of every pool (psycopg_pool's names), by the first region that uses it."""
        return {region: pool.connections.get_stats() for region, pool in self._shared.items()}


def _regional(settings: Settings, role: Role) -> dict[str, Place]:
    return {name: Place(*settings.pooler_of(name, role), settings.database) for name in settings.regions}


@asynccontextmanager
async def _watched(breaker: Breaker, region: str) -> AsyncIterator[None]:
    """The block is an attempt that `breaker` allows, and hears the end of. Raises RegionUnavailableError."""
    began = time.monotonic()
    if not breaker.allows(began):
        raise RegionUnavailableError(region)
    try:
        yield
    except Exception as error:
        # What was not even tried says nothing new.
        if is_outage(error) and not isinstance(error, RegionUnavailableError):
            breaker.failed(began, time.monotonic())
        raise
    breaker.succeeded()
