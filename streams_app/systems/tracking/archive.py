"""`tracking archive`: days of the logs are written to files, read back, and compared with what the server has."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg

from streams_app.databases import Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.tracking.archive_files import (
    FORMAT,
    ArchiveError,
    Manifest,
    damage,
    file_of,
    load_manifest,
    read_back,
    write_manifest,
    write_rows,
)
from streams_app.systems.tracking.days import Day, bounds

SQL = Statements(Path(__file__).with_name("archive.sql"))
# Rows that are fetched at a time: a row may be a quarter of a megabyte.
_FETCHED = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one day, or of the keys of a log: `result` in one word, `why` where it is not what was asked."""

    region: str
    log: str
    day: date | None
    result: str
    rows: int | None = None
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether somebody should look."""
        return self.result == "refused"


def arguments(region: str, day: date) -> dict[str, Any]:
    """Arguments of the statements about one day of one region."""
    since, until = bounds(day)
    return {"region": region, "since": since, "until": until}


def stays(region: str, day: Day) -> Outcome | None:
    """Why a day cannot be archived, if so."""
    if not day.is_whole:
        return Outcome(region, day.log, day.day, "stays", None, "it is half dropped: run `tracking prune`")
    if day.open:
        return Outcome(region, day.log, day.day, "stays", None, f"{day.open:,} of its events are open")
    return None


@contextmanager
def alone(into: Path) -> Iterator[None]:
    """Nobody else works with the archives in `into` meanwhile. Raises ArchiveError when somebody does."""
    into.mkdir(parents=True, exist_ok=True)
    with (into / ".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ArchiveError(f"another command works with {into}: wait until it has ended") from None
        yield


def archive_day(
    settings: Settings, region: str, day: Day, into: Path, on_row: Callable[[], None] = lambda: None
) -> Outcome:
    """Write one day, read it back, and write its manifest. What is archived and has not changed is left alone.

    Raises ArchiveError when what is on disk is not what the server has, OSError, and what psycopg raises.
    """
    path = file_of(into, region, day.log, day.day)
    known = load_manifest(path)
    with snapshot(settings, region) as connection:
        rows, digest = server_digest(connection, region, day, day.log)
        if known is not None and known.digest == digest and damage(path, known) is None:
            return Outcome(region, day.log, day.day, "is archived", rows)
        if known is not None and known.digest != digest and known.pruning_at is not None:
            raise ArchiveError(f"{path} may be the only copy of rows that were pruned: move it, with its manifest")
        names = connection.execute(SQL[f"columns_{day.log}"], {"region": region}).description or ()
        write_rows(path, _rows(connection, region, day, on_row))
    contents = read_back(path)
    if (contents.rows, contents.digest) != (rows, digest):
        raise ArchiveError(
            f"{path}: {contents.rows} rows were read back, with another digest than that of the server's {rows}: "
            "look at the disk, then run the command again"
        )
    written = datetime.now(UTC).isoformat()
    write_manifest(
        path,
        Manifest(
            FORMAT, region, day.log, day.day.isoformat(), [column.name for column in names], contents.rows,
            contents.digest, contents.first_id, contents.last_id, contents.sha256, contents.size, written,
        ),
    )  # fmt: skip
    return Outcome(region, day.log, day.day, "archived", rows)


@contextmanager
def snapshot(settings: Settings, region: str) -> Iterator[psycopg.Connection]:
    """A transaction that sees the region as it is now, for as long as it takes, and cannot write."""
    address, name = settings.pooler_of(region, "readonly")
    with psycopg.connect(**connect_arguments(settings.database, address, "readonly", name)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute(SQL["utc"])
            yield connection


def server_digest(connection: psycopg.Connection, region: str, day: Day, table: str) -> tuple[int, str]:
    """How many rows of a day `table` (a log, or the day's own) has now, and their digest, both made by the server."""
    statement = of_table(SQL[f"digest_{day.log}"], day.log, table)
    [(rows, digest)] = connection.execute(statement, arguments(region, day.day)).fetchall()
    return rows, digest


def of_table(statement: bytes, log: str, table: str) -> bytes:
    """A statement about a log, said of the table of one day."""
    return statement.replace(b"FROM %b l" % log.encode(), b"FROM %b l" % table.encode())


def _rows(connection: psycopg.Connection, region: str, day: Day, on_row: Callable[[], None]) -> Iterator[str]:
    with connection.cursor(name="archived_rows") as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(SQL[f"rows_{day.log}"], arguments(region, day.day))
        for (text,) in cursor:
            on_row()
            yield text
