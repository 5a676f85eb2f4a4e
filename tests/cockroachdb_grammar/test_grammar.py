"""The CockroachDB dialect of the tables, read by CockroachDB's own parser: the grammar alone, no server.

The parser is a Go module of some 230 MB. It is used when it is already on this machine; with STREAMS_CHECK_GRAMMAR=1
it is downloaded, and its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLES_SQL = HERE.parents[1] / "tables_sql" / "cockroachdb"
MODULE = "github.com/cockroachdb/cockroachdb-parser"
WANTED = bool(os.environ.get("STREAMS_CHECK_GRAMMAR"))


@pytest.fixture(scope="module")
def parse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parser as a program. Its build takes a minute the first time."""
    if shutil.which("go") is None:
        _give_up("Go is not installed")
    if not WANTED and not _is_here():
        _give_up(f"{MODULE} is not downloaded; set STREAMS_CHECK_GRAMMAR=1 to do it")
    program = tmp_path_factory.mktemp("grammar") / "parse"
    done = _go("build", "-o", str(program), ".")
    if done.returncode != 0:
        _give_up(f"the parser cannot be built: {done.stderr.strip()}")
    return program


def _give_up(reason: str) -> None:
    if WANTED:
        pytest.fail(reason)
    pytest.skip(reason)


def _is_here() -> bool:
    found = _go("list", "-m", "-f", "{{.Dir}}", MODULE, GOPROXY="off")
    return found.returncode == 0 and bool(found.stdout.strip())


def _go(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *words], cwd=HERE, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def run(parse: Path, *files: Path) -> tuple[int, str]:
    done = subprocess.run([parse, *files], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.timeout(900)
def test_every_file_is_in_the_grammar(parse: Path) -> None:
    files = sorted(TABLES_SQL.rglob("*.sql"))
    assert files
    status, output = run(parse, *files)
    print(output)
    assert status == 0, output


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
