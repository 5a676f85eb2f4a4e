"""Days of the logs as files: rows as gzip-compressed lines of JSON, and a manifest that says what must be in them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import IO, Any, Final

import orjson

FORMAT: Final = 1
# Rows of one step of the digest, as in archive.sql.
_PART: Final = 10_000


class ArchiveError(RuntimeError):
    """An archive is not what it should be, or cannot be written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a file. `sha256` is of the file, `size` its bytes; `digest` is of the rows, as the server makes it."""

    rows: int
    digest: str
    first_id: int | None
    last_id: int | None
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What must be in the file of a day. Since `pruning_at` (ISO 8601) the file is the only copy, or will be."""

    format: int
    region: str
    log: str
    day: str
    columns: list[str]
    rows: int
    digest: str
    first_id: int | None
    last_id: int | None
    sha256: str
    size: int
    written_at: str
    pruning_at: str | None = None

    def differences(self, contents: Contents) -> list[str]:
        """The names of what is not as it must be."""
        return [f.name for f in fields(contents) if getattr(self, f.name) != getattr(contents, f.name)]


def file_of(into: Path, region: str, log: str, day: date) -> Path:
    """Where the rows of a day are."""
    return into / region / f"{log}_{day:%Y%m%d}.ndjson.gz"


def manifest_of(path: Path) -> Path:
    """Where the manifest of a file of rows is."""
    return path.with_name(path.name.removesuffix(".ndjson.gz") + ".manifest.json")


def write_rows(path: Path, lines: Iterable[str]) -> None:
    """Write one row a line. The file is there as a whole, on disk, or not at all. Raises OSError."""

    def write(file: IO[bytes]) -> None:
        with (
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0, filename="") as packed,
            io.BufferedWriter(packed, 1 << 16) as buffered,
        ):
            for line in lines:
                buffered.write(line.encode() + b"\n")

    _write(path, write)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of the file of rows at `path`, as a whole or not at all. Raises OSError."""
    text = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2) + b"\n"
    _write(manifest_of(path), lambda file: file.write(text))


def load_manifest(path: Path) -> Manifest | None:
    """The manifest of the file of rows at `path`, None when there is none. Raises ArchiveError for another format."""
    where = manifest_of(path)
    try:
        data = orjson.loads(where.read_bytes())
        if data.get("format") != FORMAT:
            raise ArchiveError(f"{where}: format {data.get('format')!r}, this version reads {FORMAT}")
        return Manifest(**data)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{where} is damaged ({error}): remove it, and archive the day again") from None


def read_rows(path: Path) -> Iterator[bytes]:
    """The rows of a file, each as the server wrote it. Raises ArchiveError for a file that is damaged, and OSError."""
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{path} is damaged: {error}") from None


def read_back(path: Path, on_row: Callable[[], None] = lambda: None) -> Contents:
    """What is in a file, read from disk. Raises ArchiveError when it cannot be read to its end."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        whole, part, number, rows = _md5(), _md5(), None, 0
        first = last = None
        for line in read_rows(path):
            last = _id_of(path, line)
            first, rows = last if rows == 0 else first, rows + 1
            if number not in (None, last // _PART):
                whole.update(part.hexdigest().encode())
                part = _md5()
            number = last // _PART
            part.update(row_digest(line).encode())
            on_row()
        if rows:
            whole.update(part.hexdigest().encode())
        return Contents(rows, whole.hexdigest(), first, last, sha256, path.stat().st_size)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from None


def damage(path: Path, manifest: Manifest) -> str | None:
    """What is wrong with a file of rows, None when it is what its manifest says."""
    try:
        different = manifest.differences(read_back(path))
    except ArchiveError as error:
        return str(error)
    return f"{path} is not what its manifest says: {', '.join(different)}" if different else None


def row_digest(line: bytes) -> str:
    """The digest of one row, as the server makes it of the row's text."""
    return hashlib.md5(line, usedforsecurity=False).hexdigest()


def _id_of(path: Path, line: bytes) -> int:
    try:
        number = orjson.loads(line)["id"]
    except (ValueError, TypeError, KeyError):
        number = None
    if not isinstance(number, int):
        raise ArchiveError(f"{path} is damaged: a line is no row")
    return number


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _write(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Through a file beside it, which a crash leaves behind and the next attempt overwrites."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    with _directory(path.parent) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
