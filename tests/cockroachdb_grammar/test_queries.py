"""What the application sends uses nothing that CockroachDB lacks, as far as words can tell; and all of it is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cockroachdb_grammar.queries import ROOT, Query, UnreadableError, of_code, of_driver, of_files, plain

TABLES_SQL = ROOT / "tables_sql" / "cockroachdb"
# Not there in CockroachDB, or there without effect. The parser refuses some of them, and takes others.
LACKING = re.compile(
    r"advisory_(?:xact_)?(?:un)?lock|\bLISTEN\b|\bNOTIFY\b|pg_notify|\bVACUUM\b|\bCOPY\b|\bLOCK TABLE\b"
    r"|FOR EACH STATEMENT|\bMERGE INTO\b|CREATE PUBLICATION|\bstarts_with\(|\bnum_(?:non)?nulls\(|WITH HOLD",
    re.IGNORECASE,
)
# Functions that CockroachDB's documentation lists, and account_locality, which the tables make.
FUNCTIONS = {
    *("account_locality", "all", "any", "array", "avg", "coalesce", "convert_to", "count", "crc32ieee", "extract"),
    # Of the tracking system; event_op is that of a changefeed's query.
    *("date_trunc", "div", "event_op", "least", "string_agg"),
    *("floor", "ln"),
    # Of the trace store.
    *("abs", "nullif", "percentile_cont", "pg_column_size", "unique_rowid"),
    # Of allocations.
    *("array_agg", "bool_and", "current_database", "cardinality", "clock_timestamp"),
    *("gen_random_uuid", "generate_series", "greatest", "jsonb_agg", "jsonb_array_elements_text"),
    *("jsonb_build_array", "jsonb_build_object", "jsonb_typeof", "lag", "left", "length", "lower", "lpad", "max"),
    *("md5", "min", "mod", "now", "row_number", "string_to_array", "sum", "to_jsonb", "unnest", "upper", "version"),
}
TYPES = {"numeric", "decimal", "timestamp", "varchar"}


def without_comments(sql: str) -> str:
    return re.sub(r"--.*", "", sql)


def sent() -> list[Query]:
    """Everything that may go to CockroachDB: queries, and the files that make the tables."""
    files = [Query(str(path.relative_to(ROOT)), path.read_text()) for path in sorted(TABLES_SQL.rglob("*.sql"))]
    return files + [query for query in of_files() + of_code() + of_driver() if query.reason is None]


def functions(sql: str) -> set[str]:
    bare = re.sub(r"'[^']*'", "''", without_comments(sql))
    return {name.lower() for name in re.findall(r"\b([A-Za-z_]\w*)\(", bare)} - TYPES


def test_queries_are_found_everywhere() -> None:
    files, code = of_files(), of_code()
    assert {Path(query.where).name for query in files} >= {"queries.sql", "verify.sql", "histories.sql", "fences.sql"}
    assert "databases/pools.py" in {query.where.split(":")[0] for query in code}


def test_what_postgresql_alone_is_sent_is_named() -> None:
    for query in of_code() + of_files():
        if query.reason is not None:
            print(f"{query.where}: {query.reason}")


def test_nothing_that_cockroachdb_lacks() -> None:
    found = {query.where: match[0] for query in sent() if (match := LACKING.search(without_comments(query.sql)))}
    assert not found


def test_functions_are_known() -> None:
    unknown = {query.where: names for query in sent() if (names := functions(query.sql) - FUNCTIONS)}
    assert not unknown, "look them up in CockroachDB's documentation, then name them here"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "LISTEN changes",
        "VACUUM ANALYZE",
        "COPY a FROM STDIN",
        "LOCK TABLE a",
        "CREATE TRIGGER t AFTER INSERT ON a FOR EACH STATEMENT EXECUTE FUNCTION f()",
    ],
)
def test_what_is_lacking_is_found(sql: str) -> None:
    assert LACKING.search(sql)


def test_a_new_function_is_found() -> None:
    assert functions("SELECT regexp_substr(a, 'x(y') -- comment(x)\nFROM b") - FUNCTIONS == {"regexp_substr"}


def test_placeholders() -> None:
    sql = "SELECT %(b)s, %(a)s,\n%(b)s::int2[] LIKE 'x%%'"
    assert plain(sql) == "SELECT $1, $2,\n$1::int2[] LIKE 'x%'"
    assert plain("VALUES (%s, %s)") == "VALUES ($1, $2)"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('c.execute("SELECT %s")', ["SELECT $1"]),
        ('c.execute(b"SET x = %d" % 5)', ["SET x = 1"]),
        ('s = "SELECT 1"\nc.execute(s)', ["SELECT 1"]),
        ('c.execute(f"SET x = {y}".encode())', ["SET x = 1"]),
        ('c.execute("A" if x else b"B")', ["A", "B"]),
        ('c.execute(SQL["name"], {})', []),
    ],
)
def test_sql_in_code_is_read(tmp_path: Path, code: str, expected: list[str]) -> None:
    (tmp_path / "code.py").write_text(code)
    assert [query.sql for query in of_code(tmp_path)] == expected


def test_sql_that_cannot_be_read_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("c.execute(made_up(1))")
    with pytest.raises(UnreadableError, match=r"code\.py:1: made_up\(1\)"):
        of_code(tmp_path)
