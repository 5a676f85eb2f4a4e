"""Every statement that the application may send to a database, in words that a parser without psycopg can read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPLICATION = ROOT / "streams_app"

# Statements with these words are sent to PostgreSQL alone.
POSTGRES_ONLY = {
    "pg_advisory_": "on CockroachDB these locks lock nothing: a row with a lease stands for them",
    "pg_try_advisory_": "on CockroachDB these locks lock nothing: a row with a lease stands for them",
    "app.outbox_add_days": "CockroachDB's outbox has no partitions by day",
    "event_logs_add_months": "CockroachDB's store has no partitions by month",
    "pg_replication_slots": "CockroachDB's changefeeds have no slots",
    "pg_current_wal_lsn": "CockroachDB's changefeeds have no slots",
    "FROM STDIN": "rows are copied into PostgreSQL only",
    "pg_inherits": "CockroachDB's logs have no partitions by day",
    "TACH PARTITION": "CockroachDB's logs have no partitions by day",
    "DROP TABLE": "CockroachDB's logs have no partitions by day",
}
# What psycopg itself sends: transactions, savepoints, and cursors on the server.
DRIVER = (
    "BEGIN",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "COMMIT",
    "ROLLBACK",
    'SAVEPOINT "_pg3_1"',
    'ROLLBACK TO "_pg3_1"',
    'RELEASE "_pg3_1"',
    'DECLARE "request_ids" CURSOR FOR SELECT 1',
    'FETCH FORWARD 50000 FROM "request_ids"',
    'CLOSE "request_ids"',
)
# Expressions whose SQL is read elsewhere: files of tables_sql, and statements of .sql files.
READ_ELSEWHERE = re.compile(
    r"migration\.sql|(?:SQL|CAPTURE|POSTGRES|COCKROACHDB|STATEMENTS|statements)\[.*\]|of_table\(SQL\[.*\], .*\)",
    re.DOTALL,
)

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%s|%%")
_SENDS = {"execute", "executemany", "copy"}


@dataclass(frozen=True)
class Query:
    """Statements of one file, or one statement of a Python file."""

    where: str
    sql: str

    @property
    def reason(self) -> str | None:
        """Why CockroachDB never sees it, if so."""
        return next((reason for words, reason in POSTGRES_ONLY.items() if words in self.sql), None)


class UnreadableError(Exception):
    """SQL that is put together in a way that is not understood here."""


def plain(sql: str) -> str:
    """`sql` with psycopg's placeholders as $1, $2, …; lines stay where they are."""
    numbers: dict[str, int] = {}
    fresh = count(1)

    def number(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[1] is None:
            return f"${next(fresh)}"
        if found[1] not in numbers:
            numbers[found[1]] = next(fresh)
        return f"${numbers[found[1]]}"

    return _PLACEHOLDER.sub(number, sql)


def of_files(root: Path = APPLICATION) -> list[Query]:
    """The .sql files below `root`, whole: a line of a query is the line of its file."""
    return [Query(str(path.relative_to(root)), plain(path.read_text())) for path in sorted(root.rglob("*.sql"))]


def of_code(root: Path = APPLICATION) -> list[Query]:
    """The SQL that stands in Python files. Raises UnreadableError."""
    return [query for path in sorted(root.rglob("*.py")) for query in _in_file(path, str(path.relative_to(root)))]


def of_driver() -> list[Query]:
    """What psycopg sends on its own."""
    return [Query(f"psycopg-{number}", sql) for number, sql in enumerate(DRIVER)]


def _in_file(path: Path, name: str) -> Iterator[Query]:
    tree = ast.parse(path.read_text())
    assigned = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in _SENDS
            and call.args
        ):
            try:
                texts = list(_texts(call.args[0], assigned))
            except UnreadableError as error:
                raise UnreadableError(f"{path}:{call.lineno}: {error}") from None
            for text in texts:
                yield Query(f"{name}:{call.lineno}", plain(text))


def _texts(node: ast.expr, assigned: dict[str, ast.expr]) -> Iterator[str]:
    source = ast.unparse(node)
    if READ_ELSEWHERE.fullmatch(source):
        return
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Constant(value=bytes(data)):
            yield data.decode()
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in parts)
        case ast.BinOp(left=left, op=ast.Mod()):
            # A statement put into another one, or a number.
            for text in _texts(left, assigned):
                yield re.sub(r"%d", "1", re.sub(r"%s", "SELECT 1 AS offender", text))
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, assigned)
            yield from _texts(other, assigned)
        case ast.Call(func=ast.Attribute(value=inner, attr="encode")):
            yield from _texts(inner, assigned)
        case ast.Name(id=name) if name in assigned:
            yield from _texts(assigned[name], {k: v for k, v in assigned.items() if k != name})
        case _:
            raise UnreadableError(f"{source}: say in {Path(__file__).name} how to read it")
