"""The tables and rights that a dialect's SQL files describe, in words that both dialects share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streams_app.commands.schema import SYSTEMS

TABLES_SQL = Path(__file__).parents[2] / "tables_sql"
DIALECTS = ("postgres", "cockroachdb")
# Made by `migrate` itself, before the first file.
MIGRATIONS = "schema_migration"
# The files of all systems; those of a domain of allocations are in a folder of their own.
FILES = "*/[0-9][0-9][0-9]_*.sql"
# A name, with or without its schema.
_NAME = r"(?:\w+\.)?(\w+)"
_TYPES = {"string": "text", "decimal": "numeric"}


@dataclass(frozen=True)
class Column:
    """One column: a type of PostgreSQL's, whether it may be null, its default, check and the table it refers to."""

    type: str
    nullable: bool
    default: str | None
    check: str | None
    refers_to: str | None
    computed: bool


@dataclass(frozen=True)
class Index:
    """Key columns in order, columns that are stored besides (without those of the primary key), the condition, and the
    method."""

    columns: tuple[str, ...]
    stored: frozenset[str]
    condition: str | None
    method: str = "btree"


@dataclass
class Table:
    """One table."""

    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    unique: set[tuple[str, ...]] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)
    partitioned_by: str | None = None
    indexes: dict[str, Index] = field(default_factory=dict)


def text(dialect: str, pattern: str = FILES) -> str:
    """The SQL of the files, in the order it is applied in, without comments and with single spaces."""
    files = sorted((TABLES_SQL / dialect).glob(pattern), key=_applied)
    bare = (re.sub(r"--.*", "", path.read_text(encoding="utf-8")) for path in files)
    return re.sub(r"\s+", " ", " ".join(bare))


def _applied(path: Path) -> tuple[int, str]:
    return (SYSTEMS.index(path.parent.name) if path.parent.name in SYSTEMS else -1, path.name)


def tables(dialect: str, pattern: str = FILES) -> dict[str, Table]:
    """All tables of the files by name."""
    sql, found = text(dialect, pattern), dict[str, Table]()
    for created in re.finditer(rf"CREATE TABLE {_NAME} \(", sql):
        body, rest = _enclosed(sql, created.end()), sql[created.end() :]
        found[created[1]] = table = _table(body)
        if partitioned := re.match(r"\s*\) PARTITION BY (.*?);", rest[rest.index(body) + len(body) :]):
            table.partitioned_by = partitioned[1].lower()
    made = re.findall(rf"CREATE (INVERTED )?INDEX (\w+) ON {_NAME} (?:USING (\w+) )?(\(.*?);", sql)
    written = re.findall("CREATE (?:INVERTED )?INDEX", sql)
    assert len(made) == len(written), "an index is written in a way that is not read here"
    for inverted, name, table_name, method, rest in made:
        found[table_name].indexes[name] = _index(rest, found[table_name], "gin" if inverted else method or "btree")
    return found


def _enclosed(sql: str, start: int) -> str:
    depth = 1
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if depth == 0:
            return sql[start:place].strip()
    raise AssertionError("a parenthesis is not closed")


def _split(body: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, sign in enumerate(body):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            yield body[start:place].strip()
            start = place + 1
    yield body[start:].strip()


def _names(listed: str) -> tuple[str, ...]:
    return tuple(re.sub(r"^\w+\.", "", name.strip().replace('"', "")).lower() for name in listed.split(","))


def _table(body: str) -> Table:
    table, late = Table(), []
    for item in _split(body):
        if found := re.match(r"PRIMARY KEY \((.*)\)", item):
            table.primary_key = _names(found[1])
        elif found := re.match(r"UNIQUE \((.*)\)", item):
            table.unique.add(_names(found[1]))
        elif found := re.match(r"CHECK \((.*)\)$", item):
            table.checks.add(found[1].lower())
        elif found := re.match(r"INDEX (\w+) (.*)", item):
            late.append((found[1], found[2]))
        else:
            _column(table, item)
    for name, rest in late:
        table.indexes[name] = _index(rest, table)
    for name in table.primary_key:
        column = table.columns[name]
        table.columns[name] = Column(**{**vars(column), "nullable": False})
    return table


def _column(table: Table, item: str) -> None:
    found = re.match(r'("\w+"|\w+) ([a-zA-Z_]\w*(?:\([\d, ]+\))?(?:\[\])?) ?(.*)', item)
    assert found is not None, item
    name, kind, rest = found[1].strip('"'), found[2], found[3]
    if "PRIMARY KEY" in rest:
        table.primary_key = (name,)
    if re.search(r"\bUNIQUE\b", rest):
        table.unique.add((name,))
    check, refers_to = re.search(r"CHECK \(", rest), re.search(rf"REFERENCES {_NAME}", rest)
    default = re.search(r"DEFAULT (.*?)(?= CHECK| REFERENCES|$)", rest)
    base = re.sub(r"^\w+", lambda word: _TYPES.get(word[0], word[0]), kind.lower())
    table.columns[name] = Column(
        base,
        "NOT NULL" not in rest,
        default[1].lower() if default else None,
        _enclosed(rest, check.end()).lower() if check else None,
        refers_to[1] if refers_to else None,
        bool(re.search(r"\bAS \(.*STORED", rest)),
    )


def _index(rest: str, table: Table, method: str = "btree") -> Index:
    columns = _enclosed(rest, 1)
    stored = re.search(r"(?:STORING|INCLUDE) \((.*?)\)", rest)
    condition = re.search(r"WHERE (.*)", rest)
    extra = frozenset(_names(stored[1])) if stored else frozenset()
    shown = condition[1].strip().lower() if condition else None
    return Index(_names(columns), extra - set(table.primary_key), shown, method)


def grants(dialect: str, pattern: str = FILES) -> dict[tuple[str, str], set[str]]:
    """Tables by role and right."""
    found: dict[tuple[str, str], set[str]] = {}
    known = {MIGRATIONS}
    for statement in text(dialect, pattern).split(";"):
        known |= set(re.findall(rf"CREATE TABLE {_NAME}", statement))
        granted = re.match(r"\s*GRANT ([A-Z, ]+) ON (?:TABLE )?(.+?) TO (.+)", statement)
        if granted is None or granted[2].startswith("SCHEMA"):
            continue
        named = known if granted[2] == "ALL TABLES IN SCHEMA public" else set(_names(granted[2]))
        for right in granted[1].split(", "):
            for role in _names(granted[3]):
                found.setdefault((role, right), set()).update(named)
    return found


def roles(dialect: str) -> set[str]:
    """The roles that the administrator's file makes, one by one or for each domain of an array."""
    sql = text(dialect, "roles.sql")
    domains = re.findall(r"'(\w+)'", "".join(re.findall(r"IN ARRAY ARRAY\[(.*?)\]", sql)))
    return {*re.findall(r"CREATE ROLE (?:IF NOT EXISTS )?(\w+)", sql), *(f"streams_{domain}" for domain in domains)}
