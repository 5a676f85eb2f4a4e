"""`tracking prune`: days that are archived leave the logs, and their keys leave the tables beside them.

What is done can be done again from any point. A day goes through these steps: its file is what its manifest says; the
server's rows are what the manifest says; the manifest notes that the file will be the only copy; the partition is
detached, which no writer waits for; its rows are compared once more, now that nobody can change them; the keys of what
was not processed go, since the row that they stand for cannot be written any more; the partition is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from streams_app.databases import Statements, partitions
from streams_app.databases.partitions import LOCK_TIMEOUT, detach, drop
from streams_app.settings import Settings
from streams_app.systems.tracking.archive import Outcome, arguments, of_table, server_digest
from streams_app.systems.tracking.archive_files import (
    ArchiveError,
    Manifest,
    damage,
    file_of,
    load_manifest,
    write_manifest,
)
from streams_app.systems.tracking.days import LOGS, Day, bounds

SQL = Statements(Path(__file__).with_name("archive.sql"))
_, CONSUMPTION = LOGS
# One prune of a region at a time.
_LOCK = 7271905112
#: Rows that are removed in one transaction.
BATCH = 2000


class RefusedError(Exception):
    """A day stays as it is; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """One region's database, as its owner sees it, and where its archives are."""

    connection: psycopg.Connection
    region: str
    into: Path

    def path(self, day: Day) -> Path:
        """Where the rows of a day are."""
        return file_of(self.into, self.region, day.log, day.day)


@contextmanager
def owner(settings: Settings, region: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to the region's server itself: no pooler lets the owner in.

    Raises ArchiveError when another `tracking prune` works there, and what psycopg raises.
    """
    busy = ArchiveError(f"region {region}: another `tracking prune` works there: wait until it has ended")
    with partitions.owner(settings, region, _LOCK, busy) as connection:
        yield connection


def check_file(place: Place, day: Day) -> Manifest:
    """The manifest of a day, whose file is what it says. Raises RefusedError."""
    path = place.path(day)
    try:
        manifest = load_manifest(path)
    except ArchiveError as error:
        raise RefusedError(str(error)) from None
    if manifest is None:
        raise RefusedError("it is not archived: run `tracking archive`")
    if (manifest.region, manifest.log, manifest.day) != (place.region, day.log, day.day.isoformat()):
        raise RefusedError(f"{path} is the archive of {manifest.log} {manifest.day} of {manifest.region}")
    if (wrong := damage(path, manifest)) is not None:
        raise RefusedError(f"{wrong}; remove both files, and archive the day again")
    return manifest


def check_rows(place: Place, day: Day, manifest: Manifest, table: str) -> None:
    """The rows of `table` are those of the archive. Raises RefusedError, and what psycopg raises."""
    rows, digest = server_digest(place.connection, place.region, day, table)
    if (rows, digest) != (manifest.rows, manifest.digest):
        raise RefusedError(
            f"its {rows:,} rows are not the {manifest.rows:,} of its archive: archive the day again, then prune"
        )
    strangers = of_table(SQL[f"strangers_{day.log}"], day.log, table)
    [(others,)] = place.connection.execute(strangers, arguments(place.region, day.day)).fetchall()
    if others:
        raise RefusedError(f"it holds {others:,} rows of other regions, which no archive of this region has")


def prune_partition(place: Place, day: Day) -> Outcome:
    """Take one day out of its log, and drop it. Raises what psycopg raises."""
    try:
        manifest = check_file(place, day)
        if day.is_whole:
            _check_whole(place, day, manifest)
            mark(place, day, manifest)
        if day.attached:
            detach(place.connection, day.log, day.table, detaching=day.detaching)
        check_detached(place, day, manifest)
        forget(place, day)
        drop(place.connection, day.table)
    except RefusedError as error:
        return Outcome(place.region, day.log, day.day, "refused", None, str(error))
    except psycopg.errors.LockNotAvailable:
        why = f"a transaction held it for more than {LOCK_TIMEOUT} s: run the command again"
        return Outcome(place.region, day.log, day.day, "refused", None, why)
    return Outcome(place.region, day.log, day.day, "dropped", manifest.rows)


def _check_whole(place: Place, day: Day, manifest: Manifest) -> None:
    try:
        check_rows(place, day, manifest, day.log)
    except RefusedError:
        # The log has the day, so that a new archive of it loses nothing.
        if manifest.pruning_at is not None:
            write_manifest(place.path(day), replace(manifest, pruning_at=None))
        raise


def mark(place: Place, day: Day, manifest: Manifest) -> None:
    """Note that the file will be the only copy: `tracking archive` does not write over it any more."""
    if manifest.pruning_at is None:
        write_manifest(place.path(day), replace(manifest, pruning_at=datetime.now(UTC).isoformat()))


def check_detached(place: Place, day: Day, manifest: Manifest) -> None:
    """Nobody can change the rows any more: are they those of the archive? If not, the log gets the day back.

    Raises RefusedError, and what psycopg raises.
    """
    try:
        check_rows(place, day, manifest, day.table)
    except RefusedError:
        since, until = bounds(day.day)
        place.connection.execute(
            f"ALTER TABLE {day.log} ATTACH PARTITION {day.table} FOR VALUES FROM ('{since}') TO ('{until}')".encode()
        )
        write_manifest(place.path(day), replace(manifest, pruning_at=None))
        raise


def forget(place: Place, day: Day) -> None:
    """Remove the day's keys of events that were not processed, in small batches: a dead letter that is tried again
    gets a row of today instead of one of a day that is gone."""
    if day.log == CONSUMPTION:
        given = {**arguments(place.region, day.day), "limit": BATCH}
        while place.connection.execute(SQL["forget_event_consumption_log"], given).rowcount > 0:
            pass


def would_prune(place: Place, day: Day) -> Outcome:
    """What `prune_partition` or `prune_rows` would say of a day; nothing is changed. Raises what psycopg raises."""
    try:
        manifest = check_file(place, day)
        check_rows(place, day, manifest, day.log if day.is_whole else day.table)
    except RefusedError as error:
        return Outcome(place.region, day.log, day.day, "refused", None, str(error))
    return Outcome(place.region, day.log, day.day, "would go", manifest.rows)
