"""What commands that look into the databases share: points in time, and the open databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import click

from streams_app.databases import Databases
from streams_app.databases.domains import domain_databases
from streams_app.delivery.replays import duration, moment
from streams_app.errors import RegionUnavailableError, StartError
from streams_app.settings import Role, Settings, load_settings


def span_or_time(text: str) -> datetime:
    """An ISO 8601 time, or a span such as 2h that ends now. Raises click.BadParameter."""
    try:
        return datetime.now(UTC) - duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return moment(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; or a span, such as 2h") from None


class Moment(click.ParamType):
    """A point in time on the command line."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A time with its zone."""
        return value if isinstance(value, datetime) else span_or_time(str(value))


@asynccontextmanager
async def opened(role: Role) -> AsyncIterator[tuple[Settings, Databases]]:
    """The settings and the open databases of the regions. Raises StartError when there are none."""
    settings = load_settings()
    if not settings.regions:
        raise StartError("no regions are configured; start the local stack with `make up`, or set STREAMS_CONFIG")
    async with Databases(settings, role) as databases, _explained(settings, "region"):
        yield settings, databases


@asynccontextmanager
async def opened_domains(role: Role) -> AsyncIterator[tuple[Settings, Databases]]:
    """The same of the domains of allocations."""
    settings = load_settings()
    if not settings.allocations.domains:
        raise StartError("no domains are configured; start the local stack with `make up`, or set STREAMS_CONFIG")
    async with domain_databases(settings, role) as databases, _explained(settings, "domain"):
        yield settings, databases


@asynccontextmanager
async def _explained(settings: Settings, what: str) -> AsyncIterator[None]:
    try:
        yield
    except RegionUnavailableError as error:
        raise StartError(f"{what} {error.region} is down; look at its database and pooler") from None
    except TimeoutError:
        limit = settings.database.region_timeout
        raise StartError(
            f"a {what} took longer than {limit:g} s: choose less, or raise database.region_timeout"
        ) from None


region_option = click.option("--region", help="Only this region.  [default: all]")


def chosen_regions(settings: Settings, region: str | None) -> list[str]:
    """The region that `--region` names, else all. Raises click.BadParameter."""
    if region is not None and region not in settings.regions:
        raise click.BadParameter(f"{region}: expected one of {', '.join(settings.regions)}", param_hint="--region")
    return [region] if region is not None else list(settings.regions)
