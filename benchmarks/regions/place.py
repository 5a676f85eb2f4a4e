"""Where the experiments run: regional databases and poolers of their own, with the application's tables and roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from pydantic import SecretStr

from benchmarks.regions.stack import SmallStack
from benchmarks.regions.work import Proof, fill, prove
from deploy.local import REGIONS, Stack
from deploy.local.layout import APP, DATABASE, OWNER, PROJECT
from streams_app.commands.schema import schema_files
from streams_app.databases import Databases
from streams_app.databases.dialect import DIALECTS
from streams_app.databases.migrations import migrate
from streams_app.databases.regions import LOCALITIES
from streams_app.settings import DatabaseSettings, RegionSettings, Settings
from streams_app.systems.requests.static import write_static_tables
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import load_workflows

#: The region of the experiments that need but one, and the centre of the one that compares.
REGION: Final = "us-east"
WORKFLOWS: Final = PROJECT / "config" / "workflows.toml"
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

    def set_databases(self, region: str, databases: dict[str, str]) -> None:
        """Restart a region's PgBouncer with these entries beside its own."""
        pooler = self.stack.pools[region]
        if pooler.databases != databases:
            pooler.databases = databases
            self.stack.restart(pooler.name)

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

    def settings(self, pool: int, address: str | None = None) -> Settings:
        """The application's settings for REGION alone, with a pool of that size; `address` is another way to it."""
        region = RegionSettings(
            pooler=address or self.stack.pools[REGION].address,
            server=self.stack.servers[REGION].address,
            localities=(0, LOCALITIES - 1),
        )
        return Settings(workflows=WORKFLOWS, database=self.database(pool), regions={REGION: region})

    def database(self, pool: int, **changes: Any) -> DatabaseSettings:
        """Who logs in, and a pool of that size; `changes` are of single settings."""
        settings = DatabaseSettings(
            name=DATABASE,
            app_password=SecretStr(self.stack.site.secret(APP)),
            # Encryption within one machine would only add to what the client costs.
            sslmode="disable",
            pool_min=pool,
            pool_max=pool,
            # A queue of clients must wait, not fail: how long they wait is what is measured.
            pool_timeout=60,
            region_timeout=60,
            retry_timeout=60,
        )
        return settings.model_copy(update=changes)

    def _connect(self, region: str) -> psycopg.Connection:
        host, _, port = self.stack.servers[region].address.rpartition(":")
        secret = self.stack.site.secret(OWNER)
        return psycopg.connect(host=host, port=int(port), dbname=DATABASE, user=OWNER, password=secret, autocommit=True)

    def _make_tables(self, _stack: Stack) -> None:
        settings, book = self.settings(1), load_workflows(WORKFLOWS)
        for region in REGIONS:
            with self._connect(region) as connection:
                migrate(connection, schema_files(settings), DIALECTS[settings.database.dialect])
                write_static_tables(connection, book)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Databases]:
    """The application's databases, once every connection of their pools is there.

    Raises TimeoutError when that takes too long.
    """
    async with Databases(settings) as databases, asyncio.timeout(_OPEN_SECONDS) as limit:
        while not _filled(databases):  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.02)
        limit.reschedule(None)
        yield databases


def _filled(databases: Databases) -> bool:
    size = databases.settings.pool_max
    return all(pool.get("pool_available", 0) >= size for pool in databases.stats().values())
