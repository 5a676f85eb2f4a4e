"""The CockroachDB dialect of the tables, and every query, read by CockroachDB's own parser: the grammar, no server.

The parser is a Go module of some 230 MB, downloaded by Go when it is not there yet. Where there is no Go, or it cannot
be downloaded, the tests are skipped and say so; with STREAMS_CHECK_GRAMMAR=1 that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.cockroachdb_grammar.queries import APPLICATION, Query, of_code, of_driver, of_files

HERE = Path(__file__).parent
TABLES_SQL = HERE.parents[1] / "tables_sql" / "cockroachdb"
# Seconds for the download and the first build.
PATIENCE = 600

pytestmark = pytest.mark.timeout(PATIENCE + 300)
WANTED = bool(os.environ.get("STREAMS_CHECK_GRAMMAR"))


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parser as a program. Its build takes a minute the first time."""
    if shutil.which("go") is None:
        _give_up("Go is not installed")
    program = tmp_path_factory.mktemp("grammar") / "parse"
    try:
        done = _go("build", "-o", str(program), ".")
    except subprocess.TimeoutExpired:
        _give_up(f"the parser was not downloaded and built within {PATIENCE} s")
    if done.returncode != 0:
        _give_up(f"the parser cannot be built: {done.stderr.strip()}")
    return program


def _give_up(reason: str) -> NoReturn:
    if WANTED:
        pytest.fail(reason)
    pytest.skip(reason)


def _go(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["go", *words], cwd=HERE, capture_output=True, text=True, check=False, timeout=PATIENCE)


def run(parse: Path, *files: Path) -> tuple[int, str]:
    done = subprocess.run([parse, *files], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def written(queries: list[Query], folder: Path) -> list[Path]:
    """The queries as files, each named after where it stands."""
    paths = []
    for query in queries:
        path = folder / query.where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(query.sql)
        paths.append(path)
    return paths


def for_cockroachdb(queries: list[Query]) -> list[Query]:
    """Those that CockroachDB may be sent."""
    return [query for query in queries if query.reason is None]


def test_every_file_is_in_the_grammar(parse: Path) -> None:
    files = sorted(TABLES_SQL.rglob("*.sql"))
    assert {path.name for path in files} >= {"roles.sql", "changefeeds.sql", "sample_data.sql", "001_fence.sql"}
    status, output = run(parse, *files)
    print(output)
    assert status == 0, output


def test_every_query_is_in_the_grammar(parse: Path, tmp_path: Path) -> None:
    queries = of_files() + of_code() + of_driver()
    for query in queries:
        if query.reason is not None:
            print(f"{query.where} is for PostgreSQL alone: {query.reason}")
    status, output = run(parse, *written(for_cockroachdb(queries), tmp_path))
    print(output)
    assert status == 0, output
    assert int(output.split()[0]) > 100


def test_a_mistake_is_found_where_it_is(parse: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text(
        "CREATE TABLE a (id INT8 PRIMARY KEY) LOCALITY GLOBAL;\n\n"
        "-- A statement begins with its comment.\nCREATE TABLE b (id INT8) LOCALITY NOWHERE;\n"
        "CREATE FUNCTION f() RETURNS INT8 LANGUAGE SQL AS $$ SELEC 1 $$;\nSELECT 1;\n"
    )
    status, output = run(parse, path)
    assert status == 1
    assert [line.split(": ")[0] for line in output.splitlines()[:2]] == [f"{path}:3", f"{path}:5"]
    assert output.splitlines()[-1] == "2 statements parsed, 2 refused"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("requests/002_accounts_and_requests.sql", "LOCALITY REGIONAL BY ROW", "LOCALITY REGIONAL ROW"),
        ("requests/002_accounts_and_requests.sql", "$$ SELECT mod(", "$$ SELECT mod(("),
        ("requests/changefeeds.sql", "min_checkpoint_frequency = '10s'", "min_checkpoint_frequence = '10s'"),
        ("requests/changefeeds.sql", "envelope                 = 'wrapped'", "envelope = 'wraped'"),
        ("requests/changefeeds.sql", '"RequiredAcks": "ALL"', '"RequiredAck": "ALL"'),
        ("requests/changefeeds.sql", '"RequiredAcks": "ALL"', '"RequiredAcks": "QUORUM"'),
        ("requests/changefeeds.sql", ', "Frequency": "50ms"', ""),
        ("requests/changefeeds.sql", "    unordered,\n", ""),
        ("requests/changefeeds.sql", "    unordered,\n", "    unordered, resolved = '10s',\n"),
        ("requests/changefeeds.sql", "resolved                 = '10s'", "resolved = '5s'"),
        ("requests/changefeeds.sql", "envelope          = 'key_only'", "key_in_value, envelope = 'key_only'"),
    ],
)
def test_a_planted_mistake_in_a_file_is_found(parse: Path, tmp_path: Path, name: str, right: str, wrong: str) -> None:
    text = (TABLES_SQL / name).read_text()
    assert right in text
    path = tmp_path / "planted.sql"
    path.write_text(text.replace(right, wrong, 1))
    status, output = run(parse, path)
    assert (status, output.splitlines()[-1].split(", ")[1]) == (1, "1 refused"), output


def test_a_planted_mistake_in_a_query_is_found(parse: Path, tmp_path: Path) -> None:
    application = tmp_path / "application"
    shutil.copytree(APPLICATION, application, ignore=shutil.ignore_patterns("__pycache__"))
    path = application / "systems" / "requests" / "queries.sql"
    path.write_text(path.read_text().replace("ON CONFLICT (locality, request_id) DO", "ON CONFLCT (locality) DO", 1))
    code = application / "databases" / "pools.py"
    code.write_text(code.read_text().replace("SET LOCAL statement_timeout =", "SET LOCAL statement_timeout IS"))
    queries = for_cockroachdb(of_files(application) + of_code(application))
    status, output = run(parse, *written(queries, tmp_path / "queries"))
    assert status == 1
    refused = [line for line in output.splitlines() if "syntax error" in line]
    assert ["queries.sql" in refused[0], "pools.py" in refused[1], len(refused)] == [True, True, 2], output


@pytest.mark.parametrize("body", ["BEGN RETURN 1; END", "BEGIN INSERT INTO a VALUES (1) ON CONFLCT DO NOTHING; END"])
def test_a_mistake_in_a_plpgsql_body_is_found(parse: Path, tmp_path: Path, body: str) -> None:
    path = tmp_path / "routine.sql"
    path.write_text(f"CREATE FUNCTION f() RETURNS INT8 LANGUAGE plpgsql AS $$ {body} $$;\n")
    assert run(parse, path)[0] == 1
    path.write_text("CREATE FUNCTION f() RETURNS INT8 LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;\n")
    assert run(parse, path)[0] == 0
