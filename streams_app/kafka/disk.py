"""The marks of partitions on disk, in RocksDB: little memory, and a warm start reads only the rest of the changelog.

Nothing here is trusted: what cannot be opened or read is thrown away and made anew from the changelog.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams_app.changefeed import RecordLike
from streams_app.delivery.ports import Mark
from streams_app.errors import SettingsError
from streams_app.kafka.marks import VOID_KEY, BadMarkError, decode, decode_key, encode, has_ended, unpack
from streams_app.kafka.stores import Place, Skipped

if TYPE_CHECKING:
    from rocksdict import Options, Rdict, WriteBatch

logger = logging.getLogger(__name__)

_PLACE: Final = b"\xff"  # after every time
_VOID: Final = 0  # the time of keys that are no longer here, but have a mark in the changelog
_MOST_DIRECTORIES: Final = 1000
# RocksDB's own defaults allow each partition two gigabytes.
_CACHE_BYTES: Final = 32 * 2**20
_WRITE_BUFFER_BYTES: Final = 2 * 2**20
_VOID_CHUNK: Final = 10_000


class DiskPartitions:
    """Opens partitions in a directory that no other process uses."""

    def __init__(self, base: Path, worker: Callable[[], str]) -> None:
        """`base/worker` is the directory, named and made when first needed; when another process has it,
        `base/worker-1` and so on.

        Raises SettingsError when rocksdict is not installed.
        """
        try:
            import rocksdict
        except ImportError:
            raise SettingsError(
                "table_store (STREAMS_TABLE_STORE) = 'rocksdict': needs the extra of that name: "
                "pip install 'streams_app[rocksdict]'"
            ) from None
        self._base = base
        self._worker = worker
        # The directory, and the open file that holds its lock.
        self._held: tuple[Path, int] | None = None
        self._cache = rocksdict.Cache(_CACHE_BYTES)

    def open(self, partition: int) -> DiskPartition:
        """The partition as it was left, or an empty one. Raises OSError."""
        if self._held is None:
            self._held = self._lock_directory()
        return DiskPartition(self._held[0] / str(partition), self._options)

    def release(self) -> None:
        """Let another process have the directory; the partitions must be closed."""
        if self._held is not None:
            os.close(self._held[1])
            self._held = None

    def delete(self) -> None:
        """Delete what this worker keeps. Raises OSError."""
        _delete(self._base / self._worker())

    def _lock_directory(self) -> tuple[Path, int]:
        worker = self._worker()
        for number in range(_MOST_DIRECTORIES):
            directory = self._base / (f"{worker}-{number}" if number else worker)
            directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(directory / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            if number:
                logger.warning("%s is in use by another process: %s instead", self._base / worker, directory)
            return directory, lock
        raise OSError(f"every directory {self._base / worker}-… is in use")

    def _options(self) -> Options:
        from rocksdict import BlockBasedOptions, Options

        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(10, False)
        blocks.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.create_missing_column_families(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_total_wal_size(4 * _WRITE_BUFFER_BYTES)
        options.set_max_open_files(64)
        options.set_keep_log_file_num(1)
        return options


class DiskPartition:
    """Marks as their changelog values, by key; a column family beside them has the keys that ended, by time."""

    def __init__(self, path: Path, options: Callable[[], Options]) -> None:
        self.place = Place()
        self.unverified = False
        self._path = path
        self._options = options
        try:
            self._open()
        except Exception as error:  # rocksdict has no error classes
            self._make_anew(error)

    def get(self, key: str) -> Mark | None:
        """What is remembered of `key`."""
        try:
            value = self._db.get(key.encode())
            return None if value is None else unpack(decode(value)[0])
        except Exception as error:
            self._make_anew(error)
            return None

    def put(self, marks: Mapping[str, Mark], now: int) -> None:
        """Remember `marks`; `now` is in seconds since 1970."""
        batch = self._batch()
        for key, mark in marks.items():
            raw = key.encode()
            batch.put(raw, encode(mark, now))
            if mark.ended:
                batch.put(_ended_key(now, raw), b"", self._ended_handle)
        self._write(batch)

    def apply(self, records: Sequence[RecordLike], skipped: Skipped) -> None:
        """Go on from `place` with records of the changelog."""
        batch = self._batch()
        for record in records:
            try:
                if record.key == VOID_KEY:
                    self._write(batch)
                    self._void()
                    batch = self._batch()
                else:
                    self._apply(batch, decode_key(record.key).encode(), record.value)
            except BadMarkError as error:
                skipped.add(record, error)
        if records:
            self.place.pass_records(records[-1].offset, 1, records[-1].timestamp, records[-1].key)
        self._write(batch)

    def forget(self, before: int, most: int) -> list[str]:
        """Forget up to `most` keys that ended before a time, or became void; returns them."""
        try:
            return self._forget(before, most)
        except Exception as error:
            self._make_anew(error)
            return []

    def clear(self) -> None:
        """Forget everything; `place` is the beginning again."""
        self._release()
        _delete(self._path)
        self.place = Place()
        self.unverified = False
        self._open()

    def close(self) -> None:
        """Write down how far the partition goes, and close its files."""
        self._write(self._batch())
        self._release()

    def __len__(self) -> int:
        """About how many keys there are, as RocksDB estimates it."""
        return self._db.property_int_value("rocksdb.estimate-num-keys") or 0

    def _apply(self, batch: WriteBatch, key: bytes, value: bytes | None) -> None:
        if value is None:
            batch.delete(key)
            batch.delete(_ended_key(_VOID, key), self._ended_handle)
            return
        _, ended = decode(value)
        batch.put(key, value)
        if ended is not None:
            batch.put(_ended_key(ended, key), b"", self._ended_handle)

    def _forget(self, before: int, most: int) -> list[str]:
        gone: list[str] = []
        batch = self._batch()
        for ended_key in _keys(self._ended):
            if ended_key == _PLACE or int.from_bytes(ended_key[:8]) > before or len(gone) >= most:
                break
            batch.delete(ended_key, self._ended_handle)
            key = ended_key[8:]
            value = self._db.get(key)
            # Void keys are no longer here; one that went on after its end stays.
            void = int.from_bytes(ended_key[:8]) == _VOID
            if value is None if void else value is not None and has_ended(decode(value)[0]):
                batch.delete(key)
                gone.append(key.decode())
        self._write(batch)
        return gone

    def _void(self) -> None:
        """Forget every key at once; their records leave the changelog with the next ones that are forgotten."""
        batch = self._batch()
        for key in _keys(self._db):
            batch.delete(key)
            batch.put(_ended_key(_VOID, key), b"", self._ended_handle)
            if batch.len() > _VOID_CHUNK:
                self._write(batch)
                batch = self._batch()
        self._write(batch)

    def _batch(self) -> WriteBatch:
        from rocksdict import WriteBatch

        return WriteBatch(raw_mode=True)

    def _write(self, batch: WriteBatch) -> None:
        """Write a batch together with the place that it leads to."""
        place = [self.place.offset, self.place.last_offset, self.place.stamp.decode("latin-1")]
        batch.put(_PLACE, orjson.dumps(place), self._ended_handle)
        try:
            self._db.write(batch)
        except Exception as error:
            self._make_anew(error)

    def _make_anew(self, error: Exception) -> None:
        logger.warning("%s cannot be used and is made anew from the changelog: %s", self._path, error)
        self.clear()

    def _open(self) -> None:
        from rocksdict import Rdict

        families = {"default": self._options(), "ended": self._options()}
        self._db: Rdict = Rdict(str(self._path), self._options(), families)
        self._ended: Rdict = self._db.get_column_family("ended")
        self._ended_handle: Any = self._db.get_column_family_handle("ended")
        kept = self._ended.get(_PLACE)
        if kept is not None:
            offset, last_offset, stamp = orjson.loads(kept)
            self.place = Place(offset, last_offset, stamp.encode("latin-1"))
            self.unverified = last_offset >= 0

    def _release(self) -> None:
        """Close the files, as far as they were opened: the database's lock goes with its last reference."""
        for name in ("_ended_handle", "_ended", "_db"):
            held = self.__dict__.pop(name, None)
            if name != "_ended_handle" and held is not None:
                with suppress(Exception):  # what is broken may not even close
                    held.close()


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keys(db: Rdict) -> Iterator[bytes]:
    keys: Any = db.keys()  # bytes in raw mode
    return iter(keys)


def _ended_key(at: int, key: bytes) -> bytes:
    return at.to_bytes(8) + key
