"""The six domains of allocations for tests: new, migrated, empty databases for each test module."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from deploy.local import Stack
from streams_app.allocation_settings import DOMAINS
from streams_app.commands.schema import migrate_domain
from streams_app.databases import Databases
from streams_app.databases.domains import domain_databases
from streams_app.settings import Settings
from tests.fix_stack import administrator


def called(settings: Settings, suffix: str) -> Settings:
    """Settings whose domains have databases of other names."""
    domains = {
        name: domain.model_copy(update={"database": f"{name}_{suffix}"})
        for name, domain in settings.allocations.domains.items()
    }
    allocations = settings.allocations.model_copy(update={"domains": domains})
    return settings.model_copy(
        update={"allocations": allocations, "systems": ("allocations",), "app_id": f"allocations-{suffix}"}
    )


def _everywhere(settings: Settings, stack: Stack, statement: str, suffix: str) -> None:
    def run(name: str) -> None:
        domain = settings.allocations.domains[name]
        with administrator(settings, stack, domain.server) as connection:
            connection.execute(statement.format(database=f"{name}_{suffix}", domain=name).encode())

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, DOMAINS))


@pytest.fixture(scope="session")
def domain_template(settings: Settings, stack: Stack) -> str:
    """The suffix of migrated, empty databases, to be copied."""
    suffix = f"template_{secrets.token_hex(4)}"
    _everywhere(settings, stack, "CREATE DATABASE {database} OWNER streams_owner", suffix)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: migrate_domain(called(settings, suffix), name), DOMAINS))
    return suffix


@pytest.fixture(scope="module")
def domain_settings(settings: Settings, stack: Stack, domain_template: str) -> Iterator[Settings]:
    """Settings whose domains are new, migrated and empty, behind the same PgBouncers."""
    suffix = f"test_{secrets.token_hex(4)}"
    copy = f"CREATE DATABASE {{database}} OWNER streams_owner TEMPLATE {{domain}}_{domain_template}"
    try:
        _everywhere(settings, stack, copy, suffix)
        _everywhere(settings, stack, "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", suffix)
        _everywhere(
            settings,
            stack,
            "GRANT CONNECT ON DATABASE {database} TO streams_{domain}, streams_readonly, streams_replication",
            suffix,
        )
        yield called(settings, suffix)
    finally:
        _everywhere(settings, stack, "DROP DATABASE IF EXISTS {database} WITH (FORCE)", suffix)


@pytest.fixture
async def domains(domain_settings: Settings) -> AsyncIterator[Databases]:
    """The domains' databases, as the application sees them."""
    async with domain_databases(domain_settings) as opened:
        yield opened


def domain_administrator(settings: Settings, stack: Stack, domain: str) -> psycopg.Connection:
    """A connection to a domain's database as the cluster's superuser."""
    found = settings.allocations.domains[domain]
    return administrator(settings, stack, found.server, found.database)
