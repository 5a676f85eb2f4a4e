"""The local stack for tests: started once, with the application's schema and topics; databases per test module."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from deploy.local import Stack
from deploy.local.worker import Worker
from streams_app.commands.schema import schema_files
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.databases.dialect import DIALECTS
from streams_app.databases.migrations import migrate
from streams_app.settings import Settings, load_settings
from streams_app.systems.requests.static import write_static_tables
from streams_app.systems.requests.workflow import WorkflowBook, load_workflows

# Waiting steps time out after seconds, dead workers are noticed soon.
APPLICATION_SETTINGS = {
    "STREAMS_DEADLINE_SCALE": "0.00005",
    "STREAMS_SESSION_TIMEOUT": "6",
    "STREAMS_SWEEP_INTERVAL": "1",
    # Workers of tests run what the test is about.
    "STREAMS_SYSTEMS": "requests",
}


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running stack of its own, gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="streams-test-"))
    root.chmod(0o755)
    stack = Stack(root)
    try:
        stack.up()
        yield stack
    finally:
        stack.clean()


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """The application's settings for the stack."""
    before = os.environ.get("STREAMS_CONFIG")
    os.environ["STREAMS_CONFIG"] = str(stack.config_path)
    try:
        return load_settings()
    finally:
        if before is None:
            del os.environ["STREAMS_CONFIG"]
        else:
            os.environ["STREAMS_CONFIG"] = before


@pytest.fixture(scope="session")
def book(settings: Settings) -> WorkflowBook:
    """The workflows."""
    return load_workflows(settings.workflows)


@pytest.fixture
async def databases(settings: Settings) -> AsyncIterator[Databases]:
    """The regions' databases, as the application sees them."""
    async with Databases(settings) as opened:
        yield opened


def _in_all_regions(settings: Settings, stack: Stack, statement: str) -> None:
    """Let the cluster's superuser do something on every server, side by side."""

    def run(server: str) -> None:
        with administrator(settings, stack, server) as connection:
            connection.execute(statement.encode())

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, [region.server for region in settings.regions.values()]))


@pytest.fixture(scope="session")
def template(settings: Settings, stack: Stack, book: WorkflowBook) -> str:
    """The name of a migrated, empty database in every region, to be copied: migrating takes seconds."""
    name = f"template_{secrets.token_hex(4)}"
    _in_all_regions(settings, stack, f"CREATE DATABASE {name} OWNER streams_owner")
    database = settings.database.model_copy(update={"name": name})

    def make(server: str) -> None:
        with psycopg.connect(**connect_arguments(database, server, "owner")) as connection:
            migrate(connection, schema_files(settings), DIALECTS[database.dialect])
            write_static_tables(connection, book)

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, [region.server for region in settings.regions.values()]))
    return name


@pytest.fixture(scope="module")
def fresh_settings(settings: Settings, stack: Stack, template: str) -> Iterator[Settings]:
    """Settings whose regions have a new, migrated, empty database each, behind the same PgBouncers."""
    name = f"test_{secrets.token_hex(4)}"
    try:
        _in_all_regions(settings, stack, f"CREATE DATABASE {name} OWNER streams_owner TEMPLATE {template}")
        yield settings.model_copy(update={"database": settings.database.model_copy(update={"name": name})})
    finally:
        _in_all_regions(settings, stack, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def fresh_databases(fresh_settings: Settings) -> AsyncIterator[Databases]:
    """The databases of `fresh_settings`."""
    async with Databases(fresh_settings) as opened:
        yield opened


def administrator(settings: Settings, stack: Stack, server: str, database: str = "postgres") -> psycopg.Connection:
    """A connection as the cluster's superuser."""
    host, _, port = server.rpartition(":")
    return psycopg.connect(
        host=host,
        port=int(port),
        dbname=database,
        user="postgres",
        password=stack.site.secret("postgres"),
        autocommit=True,
    )


class Application:
    """The application's commands, run against the stack as a user runs them."""

    def __init__(self, stack: Stack, **environment: str) -> None:
        """`environment` sets single settings by their variable."""
        path = str(stack.config_path)
        self._environment = {**os.environ, "STREAMS_CONFIG": path, **APPLICATION_SETTINGS, **environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `faust -A streams_app …`."""
        return subprocess.Popen(
            [sys.executable, "-m", "faust", "-A", "streams_app", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, seconds: float = 120, status: int | None = 0) -> str:
        """Run `faust -A streams_app …` to its end; returns what it prints. `status` None: any exit status is fine."""
        process = self.start(*arguments)
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert status is None or process.returncode == status, f"{arguments}: {process.returncode}\n{output}\n{errors}"
        return output + errors if status else output


@pytest.fixture(scope="session")
def application(stack: Stack) -> Application:
    """Runs commands of the application."""
    return Application(stack)


class Workers:
    """The workers of one test; all stopped at its end."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._all: list[Worker] = []

    def start(self, count: int = 1, **environment: str) -> list[Worker]:
        """Start workers without waiting for them; `environment` sets single settings by their variable."""
        made = [
            Worker(
                f"worker-{len(self._all) + i}",
                self._stack.config_path,
                self._stack.layout.root,
                {**APPLICATION_SETTINGS, **environment},
            )
            for i in range(count)
        ]
        for worker in made:
            worker.start()
        self._all += made
        return made

    def stop(self) -> None:
        """Stop what runs."""
        for worker in self._all:
            worker.stop()


@pytest.fixture
def workers(stack: Stack) -> Iterator[Workers]:
    """Starts workers on the stack."""
    made = Workers(stack)
    yield made
    made.stop()


async def eventually(check, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    """Await `check()` (async, returns something true when it holds) for up to `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (found := await check()):
        assert asyncio.get_running_loop().time() < deadline, (
            f"not within {seconds} s: {check.__doc__ or check.__name__}: {found}"
        )
        await asyncio.sleep(0.1)
