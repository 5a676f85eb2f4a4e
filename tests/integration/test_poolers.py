"""Production's PgBouncer configuration on a real PgBouncer: SCRAM, TLS, and what it does to pools when it is away."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from deploy.local import Stack
from streams_app.advice import explain
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.retry import until_done
from streams_app.settings import Settings
from tests.integration.poolers import REGION, Pooler

pytestmark = pytest.mark.stack

WRITERS, EACH = 12, 25


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PgBouncer's own user can enter."""
    with tempfile.TemporaryDirectory(prefix="streams-pooler-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "pooler"


def through(pooler: Pooler, settings: Settings, **database: object) -> Settings:
    """The settings of one region behind `pooler`."""
    regions = {n: r.model_copy(update={"pooler": pooler.address}) for n, r in settings.regions.items() if n == REGION}
    changed = settings.database.model_copy(update=database)
    return settings.model_copy(update={"regions": regions, "database": changed})


def plain(stack: Stack, folder: Path, changes: dict[str, str] | None = None) -> Pooler:
    """The production configuration without its TLS, and for every database of the server."""
    some = {
        "%include " + str(folder) + "/tls.ini": "",
        "streams = host": "* = host",
        "dbname=streams": "",
        **(changes or {}),
    }
    return Pooler(stack, folder, some)


async def write_rows(databases: Databases) -> None:
    """Many short transactions from many tasks; each row is written until it is there."""

    async def write(_: int) -> None:
        for _ in range(EACH):
            row = (uuid4(), uuid4())

            async def work(connection: Connection, row: tuple[object, object] = row) -> None:
                await connection.execute(
                    "INSERT INTO request_signal (locality, request_id, signal_id, kind, actor) "
                    "VALUES (0, %s, %s, 'approve', 'test') ON CONFLICT DO NOTHING",
                    row,
                )

            await until_done(
                lambda: in_transaction(databases, REGION, work),
                what="rows",
                on_retry=lambda _: None,
            )
            await asyncio.sleep(0.02)

    await asyncio.gather(*(write(n) for n in range(WRITERS)))


async def count(databases: Databases) -> int:
    async with databases.connection(REGION) as connection:
        [(rows,)] = await (await connection.execute("SELECT count(*) FROM request_signal")).fetchall()
        return int(rows)


async def kill_and_start(pooler: Pooler, database: str) -> None:
    pooler.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(pooler.start)


async def pause(pooler: Pooler, database: str) -> None:
    await asyncio.to_thread(pooler.console, f"PAUSE {database}")
    await asyncio.sleep(1)
    await asyncio.to_thread(pooler.console, f"RESUME {database}")


async def reload(pooler: Pooler, database: str) -> None:
    await asyncio.to_thread(pooler.console, "RELOAD")


async def disconnect(pooler: Pooler, database: str) -> None:
    """Every connection is cut, the servers' and the clients'."""
    await asyncio.to_thread(pooler.console, f"KILL {database}")
    await asyncio.sleep(0.5)
    await asyncio.to_thread(pooler.console, f"RESUME {database}")


@pytest.mark.parametrize("disturb", [kill_and_start, pause, reload, disconnect])
async def test_a_pooler_that_is_disturbed_loses_no_row(
    stack: Stack,
    fresh_settings: Settings,
    folder: Path,
    disturb: Callable[[Pooler, str], Awaitable[None]],
) -> None:
    pooler = plain(stack, folder)
    pooler.start()
    try:
        async with Databases(through(pooler, fresh_settings, pool_max=WRITERS)) as databases:
            before = await count(databases)
            writing = asyncio.create_task(write_rows(databases))
            await asyncio.sleep(0.2)
            await disturb(pooler, fresh_settings.database.name)
            await asyncio.wait_for(writing, 40)
            assert await count(databases) - before == WRITERS * EACH
    finally:
        pooler.kill()


async def test_a_pooler_without_enough_connections_makes_its_clients_wait(
    stack: Stack, fresh_settings: Settings, folder: Path
) -> None:
    """One server connection, and room for fewer clients than there are: slower, and nothing is lost."""
    few = {"default_pool_size = 16": "default_pool_size = 1", "reserve_pool_size = 4": "reserve_pool_size = 0"}
    few |= {"min_pool_size = 4": "min_pool_size = 1", "max_client_conn = 2000": "max_client_conn = 6"}
    pooler = plain(stack, folder, few)
    pooler.start()
    try:
        async with Databases(through(pooler, fresh_settings, pool_max=WRITERS)) as databases:
            before = await count(databases)
            await asyncio.wait_for(write_rows(databases), 60)
            assert await count(databases) - before == WRITERS * EACH
            assert databases.stats()[REGION]["connections_errors"] > 0  # it did refuse some
    finally:
        pooler.kill()


async def test_scram_and_tls_on_both_sides(stack: Stack, settings: Settings, folder: Path) -> None:
    """No password in any file of the pooler; certificates are checked, the client's side and the server's."""
    pooler = Pooler(stack, folder)
    authority = pooler.make_certificates()
    authority.chmod(0o644)
    pooler.folder.chmod(0o755)
    with serving_tls(stack, pooler):
        pooler.start()
        try:
            trusting = through(pooler, settings, sslmode="verify-full", sslrootcert_file=authority)
            async with Databases(trusting) as databases, databases.transaction(REGION) as connection:
                assert connection.pgconn.ssl_in_use
                query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                assert await (await connection.execute(query)).fetchone() == (True,)
            plain_text = through(pooler, settings, sslmode="disable", pool_timeout=2)
            with pytest.raises(PoolTimeout, match=r"(?i)ssl required"):
                await read(plain_text)
            strangers = through(pooler, settings, sslmode="verify-full", pool_timeout=2, sslrootcert_file="system")
            with pytest.raises(PoolTimeout, match="certificate verify failed"):
                await read(strangers)
        finally:
            pooler.kill()


async def test_a_wrong_password_is_said_with_the_setting_to_mend(
    stack: Stack, settings: Settings, folder: Path
) -> None:
    pooler = plain(stack, folder)
    pooler.start()
    try:
        wrong = through(pooler, settings, app_password=SecretStr("not-it"), pool_timeout=2)
        with pytest.raises(PoolTimeout, match="STREAMS_DATABASE__APP_PASSWORD") as caught:
            await read(wrong)
        assert "not-it" not in explain(caught.value)
        assert "\n" not in explain(caught.value)
    finally:
        pooler.kill()


async def read(settings: Settings) -> None:
    async with Databases(settings) as databases, databases.connection(REGION) as connection:
        await connection.execute("SELECT 1")


class serving_tls:  # noqa: N801 (reads as a block)
    """The region's server speaks TLS inside the block, with the pooler's certificate."""

    SETTINGS = ("ssl", "ssl_cert_file", "ssl_key_file")

    def __init__(self, stack: Stack, pooler: Pooler) -> None:
        self._server = stack.databases[REGION]
        folder = pooler.folder
        self._values = dict(zip(self.SETTINGS, ("on", f"{folder}/pooler.crt", f"{folder}/pooler.key"), strict=True))

    def __enter__(self) -> None:
        with self._server.connect("postgres") as connection:
            for name, value in self._values.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        self._reload("on")

    def __exit__(self, *_: object) -> None:
        with self._server.connect("postgres") as connection:
            for name in self.SETTINGS:
                connection.execute(f"ALTER SYSTEM RESET {name}".encode())
        self._reload("off")

    def _reload(self, expected: str) -> None:
        with self._server.connect("postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while True:
            with self._server.connect("postgres") as connection:
                if connection.execute("SHOW ssl").fetchone() == (expected,):
                    return
            assert time.monotonic() < deadline
            time.sleep(0.05)
