"""Both SQL dialects describe the same tables: names, columns, indexes and grants."""

from __future__ import annotations

import re
from pathlib import Path

TABLES_SQL = Path(__file__).parents[2] / "tables_sql"
# CockroachDB alone: the region that a row is homed in, and the order that its indexes cannot be read backwards for.
COCKROACHDB_COLUMNS = {"computed_region"}
COCKROACHDB_INDEXES = {"request_event_log_latest"}
# PostgreSQL alone: what Debezium needs.
POSTGRES_TABLES = {"debezium_heartbeat"}


def text(dialect: str) -> str:
    files = sorted((TABLES_SQL / dialect).glob("*/[0-9][0-9][0-9]_*.sql"))
    return "\n".join(re.sub(r"--.*", "", path.read_text(encoding="utf-8")) for path in files)


def tables(dialect: str) -> dict[str, set[str]]:
    found = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)^\)", text(dialect), re.DOTALL | re.MULTILINE):
        found[name] = set(re.findall(r"^    ([a-z]\w*) ", body, re.MULTILINE))
    return found


def indexes(dialect: str) -> set[str]:
    return set(re.findall(r"\bINDEX (\w+)", text(dialect)))


def grants(dialect: str, right: str) -> set[str]:
    found: set[str] = set()
    for names in re.findall(rf"GRANT {right} ON (?:TABLE )?([\w\s,]+?)\s+TO streams_app;", text(dialect)):
        found |= set(re.split(r",\s*", names))
    return found


def test_tables_and_columns() -> None:
    postgres, cockroachdb = tables("postgres"), tables("cockroachdb")
    assert len(cockroachdb) == 13
    assert {name: columns for name, columns in postgres.items() if name not in POSTGRES_TABLES} == {
        name: columns - COCKROACHDB_COLUMNS for name, columns in cockroachdb.items()
    }


def test_indexes() -> None:
    assert indexes("postgres") == indexes("cockroachdb") - COCKROACHDB_INDEXES


def test_rights_of_the_application() -> None:
    for right in ("INSERT", "UPDATE"):
        assert grants("postgres", right) == grants("cockroachdb", right) != set()
