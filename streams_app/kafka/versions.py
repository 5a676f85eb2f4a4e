"""The changelog-backed table of versions: one changelog record per key and batch, on the source's partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams_app.kafka.app import StreamsApp


class ChangelogVersionTable:
    """The highest version seen per key, kept in a Faust table and rebuilt from its changelog after a start.

    Writes go past Faust's item assignment, which wants the one current event of a stream, and there is none in a batch.
    """

    def __init__(self, app: StreamsApp, name: str, partitions: int) -> None:
        self._table: Any = app.Table(name, partitions=partitions, key_type=str, value_type=int)

    def get(self, key: str) -> int | None:
        """The highest version remembered for `key`."""
        version: int | None = self._table.data.get(key)
        return version

    def remember(self, partition: int, versions: Mapping[str, int]) -> None:
        """Remember versions of keys of one partition. The producer is flushed before offsets are committed."""
        for key, version in versions.items():
            self._table.data[key] = version
            self._table.send_changelog(partition, key, version)

    def __len__(self) -> int:
        return len(self._table.data)
