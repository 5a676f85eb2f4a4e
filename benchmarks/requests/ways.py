"""The ways to write a batch of rows: one transaction, over any psycopg connection, the same for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.requests.work import Row
from streams_app.databases.statements import Statements

STATEMENTS: Final = Statements(Path(__file__).with_name("statements.sql"))
_HEADS: Final = STATEMENTS["insert_heads"]
_TEXT_TYPES: Final = ("int2", "text", "int8", "int8", "int4", "text", "text", "text", "text")


@dataclass(frozen=True, slots=True)
class Way:
    """How a batch is written: `copy` into the table made by `stage`, else as arrays; then `inserts`.

    `types` are those of a binary COPY.
    """

    name: str
    stage: bytes | None
    copy: bytes
    inserts: tuple[bytes, ...]
    types: tuple[str, ...] = ()


def _with(clause: str) -> bytes:
    return STATEMENTS[clause] + b"\n" + _HEADS


_COPY: Final = STATEMENTS["copy"]
WAYS: Final = {
    way.name: way
    for way in (
        Way("copy", STATEMENTS["stage"], _COPY, (_with("with_log"),)),
        Way("copy, two statements", STATEMENTS["stage"], _COPY, (STATEMENTS["insert_log"], _HEADS)),
        Way("copy, table kept", STATEMENTS["stage_kept"], STATEMENTS["copy_kept"], (_with("with_kept"),)),
        Way("copy, binary", STATEMENTS["stage_text"], STATEMENTS["copy_text"], (_with("with_text"),), _TEXT_TYPES),
        Way("unnest", None, b"", (_with("with_arrays"),)),
    )
}
# As fast as any, and the cheapest for the client.
BEST: Final = WAYS["copy, binary"]


#: For a single row, where the round trips count: one statement, which is a transaction of its own.
SINGLE: Final = _with("with_values")


def write(connection: psycopg.Connection[Any], rows: Sequence[Row], way: Way = BEST) -> None:
    """Write rows in one transaction."""
    with connection.transaction():
        if way.stage is None:
            connection.execute(way.inserts[0], arrays(rows))
            return
        connection.execute(way.stage)
        with connection.cursor().copy(way.copy) as copy:
            if way.types:
                copy.set_types(way.types)
            for row in rows:
                copy.write_row(row)
        for insert in way.inserts:
            connection.execute(insert)


async def write_async(connection: psycopg.AsyncConnection[Any], rows: Sequence[Row]) -> None:
    """Write rows the best way, in the transaction that the connection is in."""
    assert BEST.stage is not None
    await connection.execute(BEST.stage)
    async with connection.cursor().copy(BEST.copy) as copy:
        if BEST.types:
            copy.set_types(BEST.types)
        for row in rows:
            await copy.write_row(row)
    for insert in BEST.inserts:
        await connection.execute(insert)


def arrays(rows: Sequence[Row]) -> list[list[Any]]:
    """The rows by column, as parameters of `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)]
