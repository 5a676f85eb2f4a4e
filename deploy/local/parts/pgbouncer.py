"""A PgBouncer per region: transaction pooling in front of its PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

from ..errors import StackError
from ..layout import APP, DATABASE, DOMAIN_ROLES, READONLY, REGIONS, TEMPLATES
from ..ports import HOST
from ..processes import service_environment
from ..templates import render
from ..users import User, make_service_folder, write_private
from .base import Part, Site


class PgBouncer(Part):
    """The pooler of one region."""

    def __init__(self, site: Site, region: str) -> None:
        """`site` is the stack the pooler belongs to, `region` the region whose server it fronts."""
        super().__init__(site, f"pgbouncer-{region}")
        self.server = f"postgres-{region}"

    @property
    def user(self) -> User | None:
        """PgBouncer refuses to run as root."""
        return self.site.user

    @property
    def folder(self) -> Path:
        """Its configuration and its list of users."""
        return self.site.layout.service(self.name)

    def prepare(self) -> None:
        """Write the configuration from the template, and the users it lets in."""
        make_service_folder(self.folder, self.user)
        users = "".join(f'"{role}" "{self.site.secret(role)}"\n' for role in (APP, READONLY, *DOMAIN_ROLES.values()))
        write_private(self.folder / "userlist.txt", users, self.user)
        template = (TEMPLATES / "pgbouncer" / "pgbouncer.ini").read_text(encoding="utf-8")
        values = {
            "server_host": HOST,
            "server_port": str(self.site.ports[self.server]),
            "all_regions": "\n".join(self._alias(region) for region in REGIONS),
            "listen_host": HOST,
            "listen_port": str(self.site.ports[self.name]),
            "stats_user": READONLY,
            "auth_file": str(self.folder / "userlist.txt"),
        }
        write_private(self.folder / "pgbouncer.ini", render(template, values), self.user)

    def _alias(self, region: str) -> str:
        return f"{DATABASE}-{region} = host={HOST} port={self.site.ports[f'postgres-{region}']} dbname={DATABASE}"

    def command(self) -> list[str]:
        """The pooler with its configuration."""
        program = shutil.which("pgbouncer", path=service_environment()["PATH"]) or shutil.which("pgbouncer")
        if program is None:
            raise StackError("pgbouncer is missing: install the system package `pgbouncer`")
        return [program, str(self.folder / "pgbouncer.ini")]

    def is_ready(self) -> bool:
        """True when it lets a client in; whether its database is there is the database's own question."""
        try:
            # Its console: through to the database, a client would wait as long as that is away.
            psycopg.connect(
                host=HOST,
                port=self.site.ports[self.name],
                dbname="pgbouncer",
                user=READONLY,
                password=self.site.secret(READONLY),
                connect_timeout=2,
            ).close()
        except psycopg.OperationalError:
            return False
        return True
