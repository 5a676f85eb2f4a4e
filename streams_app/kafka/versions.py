"""The changelog-backed table of versions: one changelog record per key and batch, on the source's partition."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import orjson

from streams_app.delivery.ports import Mark
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.disk import DiskPartitions
from streams_app.kafka.marks import encode
from streams_app.kafka.producer import filled_batches
from streams_app.kafka.stores import MemoryPartitions, Partition, Partitions
from streams_app.kafka.tables import VersionStore
from streams_app.settings import Settings
from streams_app.topics import changelog_topic

logger = logging.getLogger(__name__)

# Keys that end together are forgotten together: so many times in a grace period.
_STEPS: Final = 1000
# Forgetting keeps up with ending when it may take more keys than a batch can end.
_FORGET_PER_KEY: Final = 2
_FORGET_AT_LEAST: Final = 100


class ChangelogVersionTable:
    """What was seen of each key, kept per partition and rebuilt from the changelog: a cache, never the truth.

    Writes go past Faust's item assignment: it wants the one current event of a stream, and there is none in a batch;
    and it makes a future and a task for each key, where a batch needs one for each partition.
    """

    def __init__(self, app: StreamsApp, name: str, settings: Settings) -> None:
        """Raises SettingsError when the store that is set is not installed."""
        self._app = app
        self._grace = settings.table_grace
        self._topic = changelog_topic(settings.app_id, name).name
        self._table: Any = app.Table(
            name,
            partitions=settings.topic_partitions,
            key_type=str,
            value_type=int,
            store="versions://changelog",  # a URL of a scheme alone is false, and Faust would take its default
            options={"broker_url": settings.broker_url, "partitions": _partitions(app, settings, name)},
        )

    @property
    def _partitions(self) -> dict[int, Partition]:
        store: VersionStore = self._table.data
        return store.partitions

    def get(self, key: str, partition: int) -> Mark | None:
        """What is remembered of `key`, whose records lie on `partition`."""
        found = self._partitions.get(partition)
        return None if found is None else found.get(key)

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        """Remember keys of one partition, and forget some that ended. The producer is flushed before offsets are
        committed.
        """
        kept = self._partitions.get(partition)
        if kept is None:
            return  # it went to another worker, which has the changelog up to here
        now = int(time.time())
        gone = kept.forget(now - self._grace, _FORGET_AT_LEAST + _FORGET_PER_KEY * len(marks))
        kept.put(marks, now)
        records = [(orjson.dumps(key), encode(mark, now)) for key, mark in marks.items()]
        # A key that ended, was forgotten and goes on after all has its tombstone before its mark.
        await self._send(kept, partition, [*((orjson.dumps(key), None) for key in gone), *records])

    def __len__(self) -> int:
        return len(self._table.data)

    async def _send(self, kept: Partition, partition: int, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        producer, timestamp = self._app.producer._ensure_producer(), int(time.time() * 1000)
        for batch, last in filled_batches(producer, ((timestamp, key, value, []) for key, value in records)):
            count = batch.record_count()
            future = await producer.send_batch(batch, self._topic, partition=partition)
            future.add_done_callback(partial(_sent, kept, count, (timestamp, last)))


def _sent(kept: Partition, count: int, last: tuple[int, bytes | None], future: Any) -> None:
    """A batch is in the changelog, or never will be: then the table is behind by it after the next start."""
    if future.cancelled():
        return
    error = future.exception()
    if error is not None:
        logger.warning("changelog: %d records were not written: %s", count, error)
    # Another worker's records may lie between, when it did not yet know that it had lost the partition: they are
    # then read by the next recovery, which goes on from here.
    elif future.result().offset == kept.place.offset:
        kept.place.pass_records(kept.place.offset, count, *last)


def _partitions(app: StreamsApp, settings: Settings, name: str) -> Partitions:
    if settings.table_store == "memory":
        return MemoryPartitions(settings.table_grace // _STEPS + 1)
    # The port is known for sure only when the worker has begun: it may come from the command line.
    worker = settings.instance_id
    return DiskPartitions(settings.data_dir / "versions" / name, lambda: worker or f"port-{app.conf.web_port}")
