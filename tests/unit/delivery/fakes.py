"""Fakes of the delivery core's ports, and records to feed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from streams_app.changefeed import Change, FeedSpec, Record, RecordLike, Resolved, Version, decode
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ports import DeadLetter, Mark, Outcome, Rejection

SPEC = FeedSpec(key_column="request_id", version_column="seq_num")


def record(key: str, seq: int, offset: int = 0, partition: int = 0, **columns: object) -> Record:
    """A head change as Debezium sends it without schemas."""
    row = {"request_id": key, "seq_num": seq, **columns}
    value = {"before": None, "after": row, "op": "u", "source": {"lsn": offset, "table": "t", "ts_ms": 1}, "ts_ms": 1}
    return Record("heads", partition, offset, key.encode(), orjson.dumps(value))


class FakeVersions:
    """A version table in memory."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.writes: list[tuple[int, dict[str, int]]] = []

    def get(self, key: str, partition: int) -> Mark | None:
        return Mark(Version(self.seen[key])) if key in self.seen else None

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        versions = {key: mark.version.major for key, mark in marks.items()}
        self.writes.append((partition, versions))
        self.seen.update(versions)


async def work(processor: BatchProcessor, records: Sequence[RecordLike]) -> None:
    """One batch, from records to the moment it may be acked."""
    await processor.process(processor.decode(records))


class FakeSink:
    """Collects dead letters; fails as often as told before it takes any."""

    def __init__(self, failures: int = 0) -> None:
        self.letters: list[DeadLetter] = []
        self.failures = failures

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("broker away")
        self.letters.extend(letters)


class FakeHandler:
    """Records what it was asked to process; keys in `broken` fail for good, keys in `refused` are rejected."""

    system = "fake"
    history = None

    def __init__(self, broken: frozenset[str] = frozenset(), refused: frozenset[str] = frozenset()) -> None:
        self.broken = broken
        self.refused = refused
        self.processed: list[tuple[str, int]] = []

    def decode(self, raw: RecordLike) -> Change | None:
        change = decode(raw, SPEC)
        return None if isinstance(change, Resolved) else change

    def route(self, change: Change) -> str:
        return "here"

    def ended(self, change: Change) -> bool:
        return bool((change.after or {}).get("last"))

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        if any(change.key in self.broken for change in changes):
            raise ValueError("a rule divides by zero")
        assert all(change.version is not None for change in changes)
        self.processed += [(c.key, c.version.major) for c in changes if c.version and c.key not in self.refused]
        return Outcome([Rejection(change, "not_wanted") for change in changes if change.key in self.refused])
