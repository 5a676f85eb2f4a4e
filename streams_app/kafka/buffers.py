"""The records of a lane between the fetch and their batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from faust.types import TP

from streams_app.changefeed import RecordLike


class Buffer:
    """Record lists of many partitions, each partition's in order, cut into batches."""

    def __init__(self, batch_size: int, capacity: int) -> None:
        """`capacity` is in records: over it the partition that filled it is to be paused."""
        self._batch_size = batch_size
        self._capacity = capacity
        self._chunks: deque[tuple[TP, Sequence[RecordLike]]] = deque()
        self._count = 0
        self._following: dict[TP, int] = {}

    def add(self, tp: TP, records: Sequence[RecordLike]) -> bool:
        """Add records of one partition; returns whether the buffer is full now.

        Records that were here already in this assignment are passed over: when Faust resumes after a rebalance it
        seeks to the committed offsets a moment after it began to fetch.
        """
        following = self._following.get(tp, 0)
        if records[0].offset < following:
            records = [record for record in records if record.offset >= following]
            if not records:
                return False
        self._following[tp] = records[-1].offset + 1
        self._chunks.append((tp, records))
        self._count += len(records)
        return self._count >= self._capacity

    def take(self) -> tuple[list[RecordLike], dict[TP, int]]:
        """The next batch, and for each partition in it the offset after its last record."""
        batch: list[RecordLike] = []
        ends: dict[TP, int] = {}
        while self._chunks and len(batch) < self._batch_size:
            tp, records = self._chunks.popleft()
            room = self._batch_size - len(batch)
            if len(records) > room:
                self._chunks.appendleft((tp, records[room:]))
                records = records[:room]
            batch.extend(records)
            ends[tp] = records[-1].offset + 1
        self._count -= len(batch)
        return batch, ends

    def end(self, tp: TP) -> int:
        """The offset after the last record of a partition that was added since `forget`."""
        return self._following.get(tp, 0)

    @property
    def has_room(self) -> bool:
        """Whether half the capacity is free."""
        return self._count <= self._capacity // 2

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Drop the records."""
        self._chunks.clear()
        self._count = 0

    def forget(self) -> None:
        """Drop the records, and what is known of the partitions."""
        self.clear()
        self._following.clear()
