"""Where the experiments run: regional databases and poolers of their own, with the application's tables and roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import psycopg
from pydantic import SecretStr

from benchmarks.regions.stack import SmallStack
from benchmarks.regions.work import Proof, fill, prove
from deploy.local import REGIONS, Stack
from deploy.local.layout import APP, DATABASE, OWNER, PROJECT
from streams_app.commands.schema import SYSTEMS, TABLES_SQL
from streams_app.databases import Databases
from streams_app.databases.migrations import find_migrations, migrate
from streams_app.settings import DatabaseSettings, RegionSettings, Settings
from streams_app.systems.requests.static import write_static_tables
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import load_workflows

#: The region of the experiments that need but one, and the centre of the one that compares.
REGION: Final = "us-east"
_OPEN_SECONDS: Final = 60.0


class Place(AbstractContextManager["Place"]):
    """Three PostgreSQL behind three PgBouncer; on exit they are gone."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder that everything lies in."""
        self.stack = SmallStack(root)

    def __enter__(self) -> Place:
        self.stack.clean()
        self.stack.up(self._make_tables)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.clean()

    def tune_pooler(self, region: str = REGION, **settings: str) -> None:
        """Restart a region's PgBouncer with these settings, and the local stack's for all others."""
        pooler = self.stack.pools[region]
        if pooler.tuned != settings:
            pooler.tuned = settings
            self.stack.restart(pooler.name)

    def tune_server(self, region: str = REGION, **settings: str) -> None:
        """Restart a region's PostgreSQL with these settings, and the local stack's for all others."""
        server = self.stack.servers[region]
        if server.tuned != settings:
            server.tuned = settings
            self.stack.restart(server.name)

    def fill(self, requests: int, region: str = REGION) -> list[RequestKey]:
        """Make a region's database anew with so many requests."""
        with self._connect(region) as connection:
            keys = fill(connection, REGIONS[region], requests)
        with self.stack.servers[region].connect("postgres") as connection:
            connection.execute(b"CHECKPOINT")
        return keys

    def prove(self, region: str = REGION) -> Proof:
        """What the runs since `fill` left in a region."""
        with self._connect(region) as connection:
            return prove(connection)

    def settings(self, pool: int, poolers: dict[str, str] | None = None) -> Settings:
        """The application's settings, with pools of that size; `poolers` names other addresses, by region."""
        return Settings(
            workflows=PROJECT / "config" / "workflows.toml",
            database=DatabaseSettings(
                name=DATABASE,
                app_password=SecretStr(self.stack.site.secret(APP)),
                owner_password=SecretStr(self.stack.site.secret(OWNER)),
                # Encryption within one machine would only add to what the client costs.
                sslmode="disable",
                pool_min=pool,
                pool_max=pool,
                # A queue of clients must wait, not fail: how long they wait is what is measured.
                pool_timeout=60,
                region_timeout=60,
            ),
            regions={
                region: RegionSettings(
                    pooler=(poolers or {}).get(region, self.stack.pools[region].address),
                    server=self.stack.servers[region].address,
                    localities=localities,
                )
                for region, localities in REGIONS.items()
            },
        )

    def _connect(self, region: str) -> psycopg.Connection:
        host, _, port = self.stack.servers[region].address.rpartition(":")
        secret = self.stack.site.secret(OWNER)
        return psycopg.connect(host=host, port=int(port), dbname=DATABASE, user=OWNER, password=secret, autocommit=True)

    def _make_tables(self, _stack: Stack) -> None:
        files = list(find_migrations(TABLES_SQL / "postgres", SYSTEMS))
        book = load_workflows(PROJECT / "config" / "workflows.toml")
        for region in REGIONS:
            with self._connect(region) as connection:
                migrate(connection, files)
                write_static_tables(connection, book)


@asynccontextmanager
async def opened(settings: Settings, regions: tuple[str, ...] = (REGION,)) -> AsyncIterator[Databases]:
    """The application's databases, once every connection of the pools of `regions` is there.

    Raises TimeoutError when that takes too long.
    """
    async with Databases(settings) as databases, asyncio.timeout(_OPEN_SECONDS) as limit:
        for region in regions:
            while databases.stats(region).get("pool_available", 0) < settings.database.pool_max:
                await asyncio.sleep(0.02)  # noqa: ASYNC110 (no event tells of it)
        limit.reschedule(None)
        yield databases
