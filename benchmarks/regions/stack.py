"""The databases and poolers of the local stack without the rest, with settings that an experiment may change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg

from deploy.local import REGIONS, Prepare, Stack
from deploy.local.parts.base import Part, Site
from deploy.local.parts.pgbouncer import PgBouncer
from deploy.local.parts.postgres import Postgres
from deploy.local.settings_files import make_secrets
from deploy.local.users import make_services_folder, write_private


class TunedPostgres(Postgres):
    """A region's PostgreSQL; `tuned` overrides its settings at the next start."""

    def __init__(self, site: Site, region: str) -> None:
        super().__init__(site, region)
        self.tuned: dict[str, str] = {}

    def command(self) -> list[str]:
        """As ever; of two settings of one name the last counts."""
        return [*super().command(), *(word for name, value in self.tuned.items() for word in ("-c", f"{name}={value}"))]


class TunedPgBouncer(PgBouncer):
    """A region's PgBouncer; `tuned` overrides its settings, `databases` its entries, at the next start."""

    def __init__(self, site: Site, region: str) -> None:
        super().__init__(site, region)
        self.region = region
        self.tuned: dict[str, str] = {}
        self.databases: dict[str, str] = {}

    def prepare(self) -> None:
        """The file of the local stack, changed."""
        super().prepare()
        path = self.folder / "pgbouncer.ini"
        write_private(path, tune(path.read_text(encoding="utf-8"), self.tuned, self.databases), self.user)


def tune(text: str, settings: Mapping[str, str], databases: Mapping[str, str]) -> str:
    """A pgbouncer.ini with other settings, and more databases before its first one."""
    for name, value in settings.items():
        text, found = re.subn(rf"(?m)^{name} *=.*$", f"{name} = {value}", text)
        if not found:
            text += f"{name} = {value}\n"
    entries = "".join(f"{name} = {where}\n" for name, where in databases.items())
    return text.replace("[databases]\n", f"[databases]\n{entries}", 1)


class SmallStack(Stack):
    """Three PostgreSQL and three PgBouncer, and nothing else: what takes no part takes no processor time either."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.servers = {region: TunedPostgres(self.site, region) for region in REGIONS}
        self.pools = {region: TunedPgBouncer(self.site, region) for region in REGIONS}
        self.databases = dict(self.servers)
        self.poolers = dict(self.pools)
        self.parts = {part.name: part for part in (*self.servers.values(), *self.pools.values())}

    def connect_pooler(self, region: str, role: str, database: str) -> psycopg.Connection:
        """A connection of `role` through a region's PgBouncer."""
        host, _, port = self.pools[region].address.rpartition(":")
        return psycopg.connect(
            host=host, port=int(port), dbname=database, user=role, password=self.site.secret(role), autocommit=True
        )

    def _up(self, prepare: Prepare, started: list[Part]) -> None:
        self._choose_ports()
        make_services_folder(self.layout, self.site.user)
        make_secrets(self.layout)
        servers, poolers = list(self.servers.values()), list(self.pools.values())
        self._launch(servers, started)
        self._await(servers)
        for server in servers:
            server.bootstrap()
        self._launch(poolers, started)
        self._await(poolers)
        prepare(self)
