"""One suite for partitions in memory and on disk; and what only a disk can suffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from streams_app.changefeed import Record, Version
from streams_app.delivery.ports import Mark
from streams_app.kafka.disk import DiskPartition, DiskPartitions
from streams_app.kafka.marks import VOID_KEY, encode
from streams_app.kafka.stores import MemoryPartition, Partition, Skipped

ENDED = Mark(Version(9), ended=True)
ALIVE = Mark(Version(3))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskPartitions]:
    """A directory for partitions."""
    partitions = DiskPartitions(tmp_path, lambda: "worker")
    yield partitions
    partitions.release()


@pytest.fixture(params=["memory", "rocksdict"])
def partition(request: pytest.FixtureRequest, disk: DiskPartitions) -> Iterator[Partition]:
    """An empty partition of each kind."""
    made: Partition = MemoryPartition(1) if request.param == "memory" else disk.open(0)
    yield made
    made.close()


def logged(offset: int, key: str | bytes, mark: Mark | bytes | None, ended_at: int = 100) -> Record:
    """A changelog record."""
    value = encode(mark, ended_at) if isinstance(mark, Mark) else mark
    return Record("changelog", 0, offset, orjson.dumps(key) if isinstance(key, str) else key, value, timestamp=offset)


def apply(partition: Partition, *records: Record) -> Skipped:
    """Apply records; returns what was skipped."""
    skipped = Skipped()
    partition.apply(records, skipped)
    return skipped


def test_marks_are_remembered_and_overwritten(partition: Partition) -> None:
    partition.put({"a": ALIVE, "b": ENDED}, 100)
    partition.put({"a": Mark(Version(4), dead=Version(5))}, 101)
    assert partition.get("a") == Mark(Version(4), dead=Version(5))
    assert partition.get("b") == ENDED
    assert partition.get("c") is None


def test_a_changelog_is_applied_in_its_order(partition: Partition) -> None:
    apply(partition, logged(0, "a", ALIVE), logged(1, "b", ALIVE), logged(4, "a", ENDED), logged(5, "b", None))
    assert (partition.get("a"), partition.get("b")) == (ENDED, None)
    assert (partition.place.offset, partition.place.last_offset) == (6, 5)


def test_keys_that_ended_are_forgotten_after_the_grace_the_oldest_first(partition: Partition) -> None:
    partition.put({"first": ENDED}, 100)
    partition.put({"second": ENDED, "alive": ALIVE}, 200)
    assert partition.forget(90, 10) == []
    assert partition.forget(150, 10) == ["first"]
    assert partition.forget(1000, 10) == ["second"]
    assert [partition.get(key) for key in ("first", "second")] == [None, None]
    assert partition.get("alive") == ALIVE
    assert partition.forget(1000, 10) == []


def test_forgetting_is_bounded_and_goes_on(partition: Partition) -> None:
    partition.put({str(number): ENDED for number in range(10)}, 100)
    gone = [*partition.forget(1000, 4), *partition.forget(1000, 4), *partition.forget(1000, 4)]
    assert sorted(gone) == sorted(map(str, range(10)))


def test_a_key_that_went_on_after_its_end_stays(partition: Partition) -> None:
    partition.put({"a": ENDED}, 100)
    partition.put({"a": ALIVE}, 110)
    assert partition.forget(1000, 10) == []
    assert partition.get("a") == ALIVE


def test_the_time_of_an_end_comes_from_the_changelog(partition: Partition) -> None:
    apply(partition, logged(0, "old", ENDED, ended_at=100), logged(1, "new", ENDED, ended_at=900))
    assert partition.forget(500, 10) == ["old"]


def test_a_marker_makes_everything_before_it_void_and_nothing_after_it(partition: Partition) -> None:
    partition.put({"kept": ALIVE, "ended": ENDED}, 100)
    apply(partition, logged(0, "a", ALIVE), logged(1, VOID_KEY, b'{"void":1}'), logged(2, "b", ALIVE))
    assert [partition.get(key) for key in ("kept", "ended", "a")] == [None, None, None]
    assert partition.get("b") == ALIVE
    # Their records leave the changelog, but not those of keys that came back.
    partition.put({"kept": ALIVE}, 100)
    assert set(partition.forget(50, 10)) == {"a", "ended"}
    assert partition.get("kept") == ALIVE


def test_what_has_its_tombstone_gets_no_other(partition: Partition) -> None:
    apply(partition, logged(0, "ended", ENDED), logged(1, "ended", None))
    apply(partition, logged(2, "void", ALIVE), logged(3, VOID_KEY, b"{}"), logged(4, "void", None))
    assert partition.forget(1000, 10) == []


def test_garbage_is_skipped_and_counted_and_its_neighbours_are_not(partition: Partition) -> None:
    garbage = [logged(0, b"no json", b"1"), logged(1, "a", b"{"), logged(2, b"7", b"7"), logged(3, "b", b'{"x":1}')]
    skipped = apply(partition, *garbage, logged(4, "c", ALIVE))
    assert skipped.count == 4
    assert skipped.first.startswith("changelog/0 at 0")
    assert partition.get("c") == ALIVE
    assert len(partition) == 1
    assert partition.place.offset == 5


def test_clear_forgets_all_and_begins_anew(partition: Partition) -> None:
    apply(partition, logged(0, "a", ALIVE), logged(1, "b", ENDED))
    partition.clear()
    assert (partition.get("a"), partition.place.offset, len(partition)) == (None, 0, 0)
    assert partition.forget(1000, 10) == []


@pytest.fixture
def left(disk: DiskPartitions) -> Callable[[], DiskPartition]:
    """Opens the same partition again; it was closed with a mark and a place."""
    partition = disk.open(0)
    apply(partition, logged(0, "a", ALIVE), logged(7, "b", ENDED))
    partition.close()
    return lambda: disk.open(0)


def test_a_disk_keeps_marks_and_place(left: Callable[[], DiskPartition]) -> None:
    partition = left()
    assert partition.get("a") == ALIVE
    assert (partition.place.offset, partition.place.last_offset) == (8, 7)
    assert partition.place.stamp == b'7 "b"'
    assert partition.unverified
    assert partition.forget(1000, 10) == ["b"]
    partition.close()


@pytest.mark.parametrize("damage", ["a file", "no CURRENT", "garbage"])
def test_what_cannot_be_opened_is_made_anew(
    left: Callable[[], DiskPartition], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "worker" / "0"
    if damage == "a file":
        path.rename(tmp_path / "away")
        path.write_text("no directory")
    elif damage == "no CURRENT":
        (path / "CURRENT").unlink()
    else:
        for file in path.iterdir():
            file.write_bytes(b"garbage")
    partition = left()
    assert (partition.get("a"), partition.place.offset, partition.unverified) == (None, 0, False)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    partition.put({"a": ALIVE}, 1)
    assert partition.get("a") == ALIVE
    partition.close()


def test_damage_found_while_reading_costs_the_partition_and_not_the_worker(
    disk: DiskPartitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def get(self, key: bytes) -> bytes:
            raise Exception("Corruption: block checksum mismatch")

        def close(self) -> None:
            raise Exception("Corruption: it cannot even be closed")

    partition = disk.open(0)
    partition.put({"a": ALIVE}, 1)
    partition.close()
    partition._db = Broken()  # type: ignore[assignment]
    assert partition.get("a") is None
    partition.put({"b": ALIVE}, 1)
    assert partition.get("b") == ALIVE
    partition.close()


def test_two_processes_do_not_share_a_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # A lock belongs to an open file: two objects are like two processes.
    first, second = (DiskPartitions(tmp_path, lambda: "worker") for _ in range(2))
    one, other = first.open(0), second.open(0)
    one.put({"a": ALIVE}, 1)
    assert other.get("a") is None
    assert "in use by another process" in caplog.text
    one.close()
    first.release()
    third = DiskPartitions(tmp_path, lambda: "worker")
    again = third.open(0)
    assert again.get("a") == ALIVE
    for open_one, owner in ((other, second), (again, third)):
        open_one.close()
        owner.release()
