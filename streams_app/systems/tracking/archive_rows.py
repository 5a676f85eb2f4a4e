"""What `tracking prune` removes in small batches: keys of days that are gone and, where a log has no partitions, the
archived rows themselves. Each batch is a transaction of its own, and what is gone already is no mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psycopg

from streams_app.databases import Statements
from streams_app.systems.tracking.archive import Outcome, server_digest
from streams_app.systems.tracking.archive_files import read_rows, row_digest
from streams_app.systems.tracking.archive_prune import BATCH, Place, RefusedError, check_file, mark
from streams_app.systems.tracking.days import Day, gaps

SQL = Statements(Path(__file__).with_name("archive.sql"))
# Keys that are looked for at a time: a search reads over the places of those that were removed just now.
_FOUND = 20_000

T = TypeVar("T")


def prune_rows(place: Place, day: Day, on_rows: Callable[[int], None] = lambda _: None) -> Outcome:
    """Remove the archived rows of one day from a log without partitions; a row that was changed after it was archived
    stays. Raises what psycopg raises.
    """
    try:
        manifest = check_file(place, day)
    except RefusedError as error:
        return Outcome(place.region, day.log, day.day, "refused", None, str(error))
    mark(place, day, manifest)
    removed = 0
    for batch in _batches(read_rows(place.path(day)), BATCH):
        cursor = place.connection.execute(SQL[f"remove_{day.log}"], {"region": place.region, **_identities(batch)})
        removed += cursor.rowcount
        on_rows(cursor.rowcount)
    left, _ = server_digest(place.connection, place.region, day, day.log)
    if left:
        why = f"{left:,} of its rows are not as the archive has them; {removed:,} were removed"
        return Outcome(place.region, day.log, day.day, "refused", removed, why)
    return Outcome(place.region, day.log, day.day, "removed", removed)


def prune_keys(
    place: Place, log: str, kept: Iterable[date], until: date, on_rows: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Remove the keys beside a log that are older than `until`, but for those of the days that the log still has.

    Raises what psycopg raises.
    """
    removed = 0
    for since, end in gaps(kept, until):
        span = {"region": place.region, "since": since, "until": end}
        while found := place.connection.execute(SQL[f"keys_{log}"], {**span, "limit": _FOUND}).fetchall():
            removed += _remove_keys(place.connection, log, span, found, on_rows)
    return Outcome(place.region, log, None, "keys removed", removed)


def _remove_keys(
    connection: psycopg.Connection, log: str, span: dict[str, Any], found: list[Any], on_rows: Callable[[int], None]
) -> int:
    removed = 0
    for batch in _batches(iter(found), BATCH):
        keys = {"event_ids": [row[0] for row in batch], "groups": [row[-1] for row in batch]}
        count = connection.execute(SQL[f"remove_keys_{log}"], {**span, **keys}).rowcount
        on_rows(count)
        removed += count
    return removed


def _identities(lines: list[bytes]) -> dict[str, list[Any]]:
    rows = [orjson.loads(line) for line in lines]
    return {
        "event_ids": [row["event_id"] for row in rows],
        "groups": [row.get("consumer_group") for row in rows],
        "created": [row["created_at"] for row in rows],
        "digests": [row_digest(line) for line in lines],
    }


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
