"""The store in Faust's hands: partitions come and go, recoveries are cut short, nothing is read twice."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams_app.errors import SettingsError
from streams_app.kafka import tables
from streams_app.kafka.disk import DiskPartitions
from streams_app.kafka.stores import MemoryPartitions, Partition
from streams_app.kafka.tables import Recovery, VersionStore

TOPIC = "app-table-changelog"


class Reader:
    """Stands for the bulk recovery: it ends when it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.done = asyncio.Event()
        self.cancelled = 0
        self.error: Exception | None = None

    async def __call__(self, broker_url: str, table: str, topic: str, partitions: Mapping[int, Partition]) -> None:
        self.calls.append(sorted(partitions))
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error


@pytest.fixture
async def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    """The bulk recovery, replaced."""
    made = Reader()
    monkeypatch.setattr(tables, "recover", made)
    return made


class App:
    """As much of a Faust app as the store needs."""

    def __init__(self) -> None:
        self.crashes: list[BaseException] = []

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)


@pytest.fixture
async def store() -> VersionStore:
    """A store of a table with a changelog."""
    table = SimpleNamespace(name="table", changelog_topic_name=TOPIC)
    options = {"partitions": MemoryPartitions(1), "broker_url": "kafka://nowhere"}
    return VersionStore("versions://changelog", App(), table, options=options)


def tps(*numbers: int) -> set[TP]:
    """Changelog partitions, and others that are none of the store's business."""
    return {*(TP(TOPIC, number) for number in numbers), TP("another", 99)}


async def test_faust_waits_for_the_recovery(store: VersionStore, reader: Reader) -> None:
    await store.on_rebalance(tps(1, 2), set(), tps(1, 2))
    waiting = asyncio.ensure_future(store.on_recovery_completed(tps(1, 2), set()))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    reader.done.set()
    await waiting
    assert reader.calls == [[1, 2]]
    await store.on_stop()


async def test_partitions_that_stay_keep_what_they_have(store: VersionStore, reader: Reader) -> None:
    reader.done.set()
    await store.on_recovery_completed(tps(1, 2), set())
    kept, gone = store.partitions[1], store.partitions[2]
    await store.on_rebalance(tps(1, 3), tps(2), tps(3))
    assert set(store.partitions) == {1}
    await store.on_recovery_completed(tps(1, 3), set())
    assert (store.partitions[1] is kept, set(store.partitions)) == (True, {1, 3})
    await store.on_rebalance(tps(1, 2, 3), set(), tps(2))
    await store.on_recovery_completed(tps(1, 2, 3), set())
    assert store.partitions[2] is not gone
    await store.on_stop()
    assert not store.partitions


async def test_a_rebalance_cuts_a_recovery_short(store: VersionStore, reader: Reader) -> None:
    waiting = asyncio.ensure_future(store.on_recovery_completed(tps(1), set()))
    await asyncio.sleep(0.01)
    await store.on_rebalance(tps(1), set(), set())
    await waiting
    assert reader.cancelled == 1
    assert 1 in store.partitions
    assert not store.app.crashes
    await store.on_stop()


async def test_what_a_recovery_cannot_handle_ends_the_worker(store: VersionStore, reader: Reader) -> None:
    reader.error = OSError("the disk is full")
    reader.done.set()
    await store.on_recovery_completed(tps(1), set())
    assert store.app.crashes == [reader.error]
    await store.on_stop()


async def test_fausts_own_recovery_finds_nothing_of_ours_and_all_of_its_own(store: VersionStore) -> None:
    ours, stock = TP(TOPIC, 1), TP("stock", 1)
    recovery = object.__new__(Recovery)  # of all its parts only what is asked here
    recovery.active_highwaters = {ours: 100, stock: 100}
    recovery.active_offsets = {ours: 0, stock: 40}
    recovery.tp_to_table = {ours: SimpleNamespace(data=store), stock: SimpleNamespace(data={})}
    assert recovery.active_remaining() == {stock: 60}
    assert recovery.need_recovery()
    del recovery.active_highwaters[stock]
    assert not recovery.need_recovery()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "rocksdict":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"streams_app\[rocksdict\]"):
        DiskPartitions(tmp_path, lambda: "worker")
