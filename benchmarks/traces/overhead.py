"""What the indexes cost those who write: the same rows into a table with each group of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.traces.place import SQL, Place
from benchmarks.traces.rows import chunks, copy
from streams_app.systems.trace_store.generate.generator import Blueprint, records

#: By group: the statements of work.sql that make them. The first is what the others are measured against.
GROUPS: dict[str, tuple[str, ...]] = {
    "primary key alone": (),
    "six B-tree": ("btree",),
    "two GIN": ("gin",),
    "two GIN, jsonb_path_ops": ("gin_path",),
    "two GIN, fastupdate off": ("gin_at_once",),
    "all eight": ("btree", "gin"),
    "all eight, jsonb_path_ops": ("btree", "gin_path"),
}
# Rows of a transaction, as a worker writes them.
_BATCH = 700


@dataclass(frozen=True, slots=True)
class Cost:
    """What one group took: seconds, and bytes of the table and of all its indexes."""

    seconds: float
    table: int
    indexes: int


def measure(place: Place, wanted: Blueprint, rng: random.Random) -> Iterator[tuple[str, Cost]]:
    """Every group, in a random order. Raises what psycopg raises."""
    lines = [line for made in chunks(place, records(wanted)) for part in made.values() for line in part]
    for name in rng.sample(list(GROUPS), len(GROUPS)):
        yield name, _measure(place, GROUPS[name], lines)


def _measure(place: Place, statements: Sequence[str], lines: Sequence[str]) -> Cost:
    region = place.regions.names[0]
    place.execute(region, "drop_rows", "make_rows", *statements)
    try:
        with place.owner(region) as connection:
            began = time.perf_counter()
            for start in range(0, len(lines), _BATCH):
                copy(connection, "copy_rows", lines[start : start + _BATCH])
            connection.execute(SQL["clean_pending"])
            seconds = time.perf_counter() - began
        [(table, indexes)] = place.execute(region, "sizes")
    finally:
        place.execute(region, "drop_rows")
    return Cost(seconds, table, indexes)
