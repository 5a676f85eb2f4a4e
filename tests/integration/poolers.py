"""A PgBouncer of its own in front of the stack's database of one region, with the production configuration."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg.pq import ExecStatus

from deploy.local import Stack
from deploy.local.layout import TEMPLATES
from deploy.local.ports import HOST, choose
from deploy.local.processes import service_environment
from deploy.local.templates import render
from deploy.local.users import give, make_service_folder, run_as, write_private

REGION = "us-east"
ADMIN = "streams_pooler_admin"
ADMIN_PASSWORD = "for-tests-alone"
# A certificate authority and one certificate, for the pooler and the server alike.
CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=streams-test-authority
openssl req -newkey rsa:2048 -nodes -keyout pooler.key -out pooler.csr -subj /CN=localhost
openssl x509 -req -in pooler.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out pooler.crt -extfile names.txt
"""


class Pooler:
    """The process and its files. `address` is where it listens."""

    def __init__(self, stack: Stack, folder: Path, changes: dict[str, str] | None = None) -> None:
        """`changes`: lines of the production configuration that read otherwise here."""
        self._stack = stack
        self._user = stack.site.user
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.port = choose(["pooler"], {}, ())["pooler"]
        self.address = f"{HOST}:{self.port}"
        make_service_folder(folder, self._user)
        self._write(changes or {})

    def _write(self, changes: dict[str, str]) -> None:
        host, _, port = self._stack.parts[f"postgres-{REGION}"].address.rpartition(":")
        values = {
            "server_host": host,
            "readonly_host": host,
            "server_port": port,
            "listen_host": HOST,
            "listen_port": str(self.port),
            "folder": str(self.folder),
        }
        for name in ("production.ini", "scram.ini", "tls.ini"):
            text = render((TEMPLATES / "pgbouncer" / name).read_text(encoding="utf-8"), values)
            for before, after in changes.items():
                text = text.replace(before, after)
            write_private(self.folder / name, text, self._user)
        write_private(self.folder / "userlist.txt", self._users(), self._user)

    def _users(self) -> str:
        """The server's own SCRAM secrets, and one for the administrator of the pooler."""
        with self._stack.databases[REGION].connect("postgres") as connection:
            rows = connection.execute(
                "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('streams_app', 'streams_readonly')"
            ).fetchall()
            own = connection.pgconn.encrypt_password(ADMIN_PASSWORD.encode(), ADMIN.encode(), b"scram-sha-256").decode()
        return "".join(f'"{name}" "{secret}"\n' for name, secret in [*rows, (ADMIN, own)])

    def make_certificates(self) -> Path:
        """Make an authority and a certificate for this machine's own address; returns the authority's."""
        (self.folder / "names.txt").write_text(f"subjectAltName=IP:{HOST},DNS:localhost\n", encoding="ascii")
        for line in CERTIFICATES.strip().splitlines():
            subprocess.run(line.split(), cwd=self.folder, check=True, capture_output=True)
        for name in ("ca.crt", "pooler.crt", "pooler.key"):
            (self.folder / name).chmod(0o600)
            give(self.folder / name, self._user)
        return self.folder / "ca.crt"

    def start(self) -> None:
        """Start it, and wait until its console answers."""
        program = shutil.which("pgbouncer", path=service_environment()["PATH"])
        assert program is not None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(self.folder / "production.ini")],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **run_as(self._user),
            )
        deadline = time.monotonic() + 15
        while True:
            try:
                self.console("SHOW VERSION")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text(encoding="utf-8")
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it at once, in the middle of whatever its clients do."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def console(self, command: str) -> None:
        """PAUSE, RESUME, RELOAD and the like."""
        with psycopg.connect(
            host=HOST,
            port=self.port,
            dbname="pgbouncer",
            user=ADMIN,
            password=ADMIN_PASSWORD,
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            # The console knows the simple protocol alone.
            result = connection.pgconn.exec_(command.encode())
            assert result.status is not ExecStatus.FATAL_ERROR, result.error_message
