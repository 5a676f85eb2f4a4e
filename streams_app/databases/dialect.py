"""Where PostgreSQL and CockroachDB differ for this application: the folder of their schemas, and what keeps two
migrations apart. Everything else (statements, transactions, retries) is written so that both take it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg

from streams_app.databases.statements import Statements
from streams_app.errors import StartError

POSTGRES = Statements(Path(__file__).with_name("postgres.sql"))
COCKROACHDB = Statements(Path(__file__).with_name("cockroachdb.sql"))

# Any constant will do, as long as every migration takes the same one.
_LOCK = 7_271_905_110
# Seconds that a migration waits for another one, and after which one that was killed is taken for dead.
LEASE_WAIT, LEASE = 30.0, 300.0
LEASE_POLL = 0.5


_MADE_MEANWHILE = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
)


class Dialect(Protocol):
    """One kind of server."""

    @property
    def folder(self) -> str:
        """Where its schemas are, below tables_sql."""

    @contextmanager
    def migrating(self, connection: psycopg.Connection) -> Iterator[None]:
        """Nobody else migrates meanwhile. Raises StartError when somebody else does for too long."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """PostgreSQL: a session lock, which ends with its session."""

    folder: str = "postgres"

    @contextmanager
    def migrating(self, connection: psycopg.Connection) -> Iterator[None]:
        """Take the lock; it does not hold through a transaction pooler."""
        connection.execute(POSTGRES["lock_session"], (_LOCK,))
        try:
            yield
        finally:
            connection.execute(POSTGRES["unlock_session"], (_LOCK,))


@dataclass(frozen=True, slots=True)
class CockroachDB:
    """CockroachDB: its advisory locks exclude nobody, so a row with a lease stands for one."""

    folder: str = "cockroachdb"
    wait: float = LEASE_WAIT
    lease: float = LEASE

    @contextmanager
    def migrating(self, connection: psycopg.Connection) -> Iterator[None]:
        """Take the row, or wait until its holder gives it back or its lease runs out."""
        holder = secrets.token_hex(8)
        # Two that make it at once: IF NOT EXISTS looks before the other one has made it.
        with suppress(*_MADE_MEANWHILE):
            connection.execute(COCKROACHDB["create_lease"])
        deadline = time.monotonic() + self.wait
        while not connection.execute(COCKROACHDB["take_lease"], {"holder": holder, "seconds": self.lease}).fetchall():
            if time.monotonic() > deadline:
                raise StartError(
                    f"another migration runs; if it was killed, its lease ends {self.lease:.0f} s after it began"
                )
            time.sleep(LEASE_POLL)
        try:
            yield
        finally:
            connection.execute(COCKROACHDB["give_lease_back"], {"holder": holder})


DIALECTS: dict[str, Dialect] = {"postgres": Postgres(), "cockroachdb": CockroachDB()}
