"""What commands that look into the domains share: the open databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams_app.databases import Databases
from streams_app.databases.domains import domain_databases
from streams_app.errors import RegionUnavailableError, StartError
from streams_app.settings import Role, Settings, load_settings


@asynccontextmanager
async def opened_domains(role: Role) -> AsyncIterator[tuple[Settings, Databases]]:
    """The settings and the open databases of the domains. Raises StartError when there are none."""
    settings = load_settings()
    if not settings.allocations.domains:
        raise StartError("no domains are configured; start the local stack with `make up`, or set STREAMS_CONFIG")
    async with domain_databases(settings, role) as databases:
        try:
            yield settings, databases
        except RegionUnavailableError as error:
            raise StartError(f"domain {error.region} is down; look at its database and pooler") from None
        except TimeoutError:
            limit = settings.database.region_timeout
            raise StartError(
                f"a domain took longer than {limit:g} s: choose less, or raise database.region_timeout"
            ) from None
