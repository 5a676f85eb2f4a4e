"""A day in a file: what is read back is what was written, or it is said what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams_app.systems.tracking.archive import alone
from streams_app.systems.tracking.archive_commands import read_command
from streams_app.systems.tracking.archive_files import (
    ArchiveError,
    Manifest,
    damage,
    file_of,
    load_manifest,
    manifest_of,
    read_back,
    read_rows,
    write_manifest,
    write_rows,
)

LINES = [
    json.dumps({"id": n, "event_id": f"e{n}", "text": "é\u2028\\n"}, ensure_ascii=False) for n in range(9_990, 10_020)
]


def digest(lines: list[str]) -> str:
    """As archive.sql makes it."""
    parts: dict[int, str] = {}
    for line in lines:
        part = json.loads(line)["id"] // 10_000
        parts[part] = parts.get(part, "") + hashlib.md5(line.encode()).hexdigest()
    return hashlib.md5("".join(hashlib.md5(t.encode()).hexdigest() for t in parts.values()).encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A day, archived."""
    path = file_of(tmp_path, "us-east", "event_production_log", date(2026, 1, 31))
    write_rows(path, LINES)
    contents = read_back(path)
    manifest = Manifest(
        format=1,
        region="us-east",
        log="event_production_log",
        day="2026-01-31",
        columns=["id"],
        written_at="2026-03-03T00:00:00+00:00",
        rows=contents.rows,
        digest=contents.digest,
        first_id=contents.first_id,
        last_id=contents.last_id,
        sha256=contents.sha256,
        size=contents.size,
    )
    write_manifest(path, manifest)
    return path


def test_names(path: Path, tmp_path: Path) -> None:
    assert path == tmp_path / "us-east" / "event_production_log_20260131.ndjson.gz"
    assert manifest_of(path) == tmp_path / "us-east" / "event_production_log_20260131.manifest.json"
    assert sorted(tmp_path.rglob("*.*")) == [manifest_of(path), path]


def test_what_is_read_is_what_was_written(path: Path) -> None:
    assert [line.decode() for line in read_rows(path)] == LINES
    contents = read_back(path)
    assert (contents.rows, contents.first_id, contents.last_id) == (30, 9_990, 10_019)
    assert contents.digest == digest(LINES)
    assert contents.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = load_manifest(path)
    assert manifest is not None
    assert damage(path, manifest) is None


def test_no_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.ndjson.gz", [])
    contents = read_back(tmp_path / "a.ndjson.gz")
    assert (contents.rows, contents.first_id, contents.digest) == (0, None, hashlib.md5(b"").hexdigest())


def test_the_same_rows_make_the_same_file(path: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "again.ndjson.gz", LINES)
    assert (tmp_path / "again.ndjson.gz").read_bytes() == path.read_bytes()


def test_a_file_is_there_as_a_whole_or_as_it_was(path: Path) -> None:
    def broken() -> Iterator[str]:
        yield LINES[0]
        raise KeyError

    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_rows(path, broken())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "digest"),
        (b"no gzip", "damaged"),
        (gzip.compress("\n".join(LINES).encode())[:-5], "damaged"),
        (gzip.compress(b'{"id": 1}\n{"id": "x"}\n'), "no row"),
        (gzip.compress(b"[1]\n"), "no row"),
        (gzip.compress("\n".join(LINES).encode()), "says: sha256, size"),
        (gzip.compress("\n".join(LINES[:-1]).encode()), "says: rows, digest, last_id"),
        (gzip.compress("\n".join([LINES[1], LINES[0], *LINES[2:]]).encode()), "says: digest, first_id"),
    ],
)
def test_damage_is_named(path: Path, data: bytes, why: str) -> None:
    manifest = load_manifest(path)
    assert manifest is not None
    path.write_bytes(data)
    assert why in (damage(path, manifest) or "")
    assert CliRunner().invoke(read_command, [str(path), "--json"]).stderr.startswith(("warning: ", "Error: "))


def test_a_file_that_is_gone(path: Path) -> None:
    manifest = load_manifest(path)
    assert manifest is not None
    path.unlink()
    assert "cannot be read" in (damage(path, manifest) or "")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 1, "more": 2}'])
def test_a_manifest_that_is_damaged(path: Path, text: str) -> None:
    manifest_of(path).write_text(text)
    with pytest.raises(ArchiveError):
        load_manifest(path)


def test_a_manifest_of_another_format(path: Path) -> None:
    manifest = load_manifest(path)
    assert manifest is not None
    write_manifest(path, replace(manifest, format=2))
    with pytest.raises(ArchiveError, match="format 2, this version reads 1"):
        load_manifest(path)


def test_no_manifest(tmp_path: Path) -> None:
    assert load_manifest(tmp_path / "a.ndjson.gz") is None


def test_one_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ArchiveError, match="another command"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_rows_are_printed_as_they_are(path: Path) -> None:
    done = CliRunner().invoke(read_command, [str(path), "--event-id", "e9999", "--json"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, LINES[9] + "\n", "")
    done = CliRunner().invoke(read_command, [str(path), "--limit", "2"])
    assert "e9990" in done.stdout
    assert "e9992" not in done.stdout
