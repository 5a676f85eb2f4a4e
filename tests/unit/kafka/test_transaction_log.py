"""What became of records is counted by the markers that end their transactions."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams_app.kafka.transaction_log import TransactionLog


@dataclass
class Key:
    key: bytes


class Batch:
    """A record batch as aiokafka reads it."""

    def __init__(self, producer_id: int, records: int, *, transactional: bool = True, marker: int | None = None):
        self.producer_id = producer_id
        self.is_transactional = transactional
        self.is_control_batch = marker is not None
        key = b"" if marker is None else struct.pack(">hh", 0, marker)
        self._records: Iterator[Any] = iter([Key(key)] * records)

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def __next__(self) -> Any:
        return next(self._records)


ABORT, COMMIT = 0, 1


def log(*batches: Batch) -> TransactionLog:
    found = TransactionLog()
    for batch in batches:
        found.add(batch)
    return found


def test_markers_say_what_became_of_records() -> None:
    found = log(
        Batch(1, 3),
        Batch(2, 5),
        Batch(1, 2),
        Batch(1, 1, marker=COMMIT),
        Batch(2, 1, marker=ABORT),
        Batch(1, 4),
        Batch(9, 7, transactional=False),
    )
    assert (found.committed, found.aborted) == (1, 1)
    assert (found.committed_records, found.aborted_records, found.plain_records) == (5, 5, 7)
    assert found.open_records == {1: 4}


def test_a_marker_without_records_is_a_transaction_all_the_same() -> None:
    assert log(Batch(1, 1, marker=ABORT)).aborted == 1
