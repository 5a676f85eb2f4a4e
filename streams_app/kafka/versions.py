"""The changelog-backed table of versions: one changelog record per key and batch, on the source's partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from streams_app.changefeed import Version
from streams_app.delivery.ports import Mark
from streams_app.kafka.app import StreamsApp
from streams_app.topics import changelog_topic


class ChangelogVersionTable:
    """The highest version seen per key, kept in a Faust table and rebuilt by Faust from its changelog after a start.

    Writes go past Faust's item assignment: it wants the one current event of a stream, and there is none in a batch;
    and it makes a future and a task for each key, where a batch needs one for each partition.
    """

    def __init__(self, app: StreamsApp, name: str, partitions: int) -> None:
        self._app = app
        self._topic = changelog_topic(app.conf.id, name).name
        self._table: Any = app.Table(name, partitions=partitions, key_type=str, value_type=int)

    def get(self, key: str) -> Mark | None:
        """What is remembered of `key`."""
        version: int | None = self._table.data.get(key)
        return None if version is None else Mark(Version(version))

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        """Remember keys of one partition. The producer is flushed before offsets are committed."""
        data, producer = self._table.data, self._app.producer._ensure_producer()
        batch = producer.create_batch()
        for key, mark in marks.items():
            version = data[key] = mark.version.major
            record = {"key": orjson.dumps(key), "value": orjson.dumps(version), "timestamp": None}
            if batch.append(**record) is None:
                await producer.send_batch(batch, self._topic, partition=partition)
                batch = producer.create_batch()
                batch.append(**record)
        await producer.send_batch(batch, self._topic, partition=partition)

    def __len__(self) -> int:
        return len(self._table.data)
