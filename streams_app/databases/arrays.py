"""Array parameters as PostgreSQL writes them: text that is made by whole-batch string operations.

psycopg turns a list into the same text element by element, which costs a microsecond each: with ten columns that is as
much as the rest of a worker's part in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# No JSON holds it unescaped, and hardly any other text of ours does; where one does, elements go one by one.
_BETWEEN = "\x1e"


def texts(values: Sequence[str | None]) -> str:
    """The literal of a text array; cast it in the statement."""
    if None in values:
        return _one_by_one(values)
    joined = _BETWEEN.join(values)  # type: ignore[arg-type]
    if joined.count(_BETWEEN) != len(values) - 1:
        return _one_by_one(values)
    if "\\" in joined:
        joined = joined.replace("\\", "\\\\")
    if '"' in joined:
        joined = joined.replace('"', '\\"')
    return f'{{"{joined.replace(_BETWEEN, chr(34) + "," + chr(34))}"}}' if values else "{}"


def words(values: Iterable[object]) -> str:
    """The literal of an array whose elements need no quotes (ids, times, numbers, words of ours); None is NULL."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def numbers(values: Iterable[int]) -> str:
    """The literal of an array of whole numbers; cast it in the statement."""
    return f"{{{','.join(map(str, values))}}}"


def _one_by_one(values: Sequence[str | None]) -> str:
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
