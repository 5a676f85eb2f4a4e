"""A route that is down: its changes are parked, the others go on, order is kept behind what is parked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streams_app.changefeed import Change, RecordLike
from streams_app.delivery import routes
from streams_app.delivery.batches import BatchProcessor
from streams_app.errors import RegionUnavailableError
from tests.unit.delivery.fakes import FakeHandler, FakeSink, FakeVersions, record, work


class Regional(FakeHandler):
    """Two routes, by the first letter of the key; those in `down` are unavailable."""

    def __init__(self) -> None:
        super().__init__()
        self.down: set[str] = set()

    def route(self, change: Change) -> str:
        return change.key[0]

    async def process(self, route, changes):
        if route in self.down:
            raise RegionUnavailableError(route)
        return await super().process(route, changes)


class Lot:
    """Parks in memory; holds a route while it has records of it."""

    def __init__(self) -> None:
        self.parked: dict[str, list[RecordLike]] = {}

    def holds(self, route: str) -> bool:
        return bool(self.parked.get(route))

    async def park(self, route: str, records: Sequence[RecordLike]) -> None:
        self.parked.setdefault(route, []).extend(records)


async def test_a_route_that_is_down_is_parked_and_the_other_goes_on():
    handler, lot, versions = Regional(), Lot(), FakeVersions()
    handler.down = {"e"}
    await work(BatchProcessor(handler, versions, FakeSink(), lot), [record("e1", 1, 0), record("w1", 1, 1)])
    assert handler.processed == [("w1", 1)]
    assert [r.key for r in lot.parked["e"]] == [b"e1"]
    assert versions.seen == {"w1": 1}


async def test_new_changes_queue_up_behind_parked_ones():
    handler, lot, versions = Regional(), Lot(), FakeVersions()
    processor = BatchProcessor(handler, versions, FakeSink(), lot)
    handler.down = {"e"}
    await work(processor, [record("e1", 1, 0)])
    handler.down = set()
    await work(processor, [record("e1", 2, 1), record("w1", 1, 2)])
    assert handler.processed == [("w1", 1)]
    parked, lot.parked = lot.parked["e"], {}
    await work(BatchProcessor(handler, versions, FakeSink()), parked)
    assert handler.processed == [("w1", 1), ("e1", 1), ("e1", 2)]


async def test_parked_changes_wait_for_their_route_as_long_as_it_takes(monkeypatch):
    monkeypatch.setattr(routes, "PARKED_PAUSE", 0)
    handler = Regional()
    handler.down = {"e"}
    task = asyncio.ensure_future(work(BatchProcessor(handler, FakeVersions(), FakeSink()), [record("e1", 1)]))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    handler.down = set()
    await task
    assert handler.processed == [("e1", 1)]
