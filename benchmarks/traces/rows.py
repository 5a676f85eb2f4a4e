"""Generated events as COPY takes them: the rows that ingest would make of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg

from benchmarks.traces.place import SQL, Place
from streams_app.changefeed import Record
from streams_app.systems.trace_store.agents import decoder_of
from streams_app.systems.trace_store.copying import copy_text
from streams_app.systems.trace_store.generate.generator import Blueprint, TraceRecord, records

# Rows that are made while as many are copied.
_AT_ONCE = 20_000
#: Text of COPY, by region.
Lines = dict[str, list[str]]


def blueprint(seed: int, events: int, span: timedelta) -> Blueprint:
    """Sessions that end now."""
    return Blueprint(seed, events, datetime.now(UTC), span)


def fill(place: Place, wanted: Blueprint, note: Callable[[int], None] = lambda rows: None) -> float:
    """Copy events into the stores, all regions side by side; returns seconds. `note` hears of rows that are under way.

    Raises what psycopg raises.
    """
    names = place.regions.names
    connections = {region: place.owner(region) for region in names}
    began, under_way = time.perf_counter(), list[Future[None]]()
    try:
        with ThreadPoolExecutor(len(names)) as pool:
            for lines in chunks(place, records(wanted)):
                for future in under_way:
                    future.result()
                under_way = [pool.submit(copy, connections[name], "copy", part) for name, part in lines.items()]
                note(sum(map(len, lines.values())))
            for future in under_way:
                future.result()
    finally:
        for connection in connections.values():
            connection.close()
    return time.perf_counter() - began


def copy_side_by_side(place: Place, lines: Lines) -> float:
    """Copy rows that are ready, one COPY a region; returns seconds. Raises what psycopg raises."""
    connections = {region: place.owner(region) for region in lines}
    try:
        with ThreadPoolExecutor(len(lines)) as pool:
            began = time.perf_counter()
            for future in [pool.submit(copy, connections[region], "copy", part) for region, part in lines.items()]:
                future.result()
            return time.perf_counter() - began
    finally:
        for connection in connections.values():
            connection.close()


def copy(connection: psycopg.Connection, name: str, lines: Sequence[str]) -> None:
    """One COPY, in one transaction. Raises what psycopg raises."""
    with connection.cursor() as cursor, cursor.copy(SQL[name]) as target:
        for start in range(0, len(lines), 1000):
            target.write("".join(lines[start : start + 1000]))


def chunks(place: Place, made: Iterator[TraceRecord]) -> Iterator[Lines]:
    """Records as text of COPY, some thousands at a time."""
    decoder = decoder_of(place.settings.trace_store)
    while batch := list(islice(made, _AT_ONCE)):
        lines: Lines = {}
        for record in batch:
            change = decoder.decode(Record(record.topic, 0, 0, record.key, record.value, record.headers))
            region = place.regions.of_account(change.session)
            lines.setdefault(region, []).append(copy_text(region, [change.event]))
        yield lines
