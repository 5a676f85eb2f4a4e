"""Lanes: batches in order, positions only for what is done, nothing after a drain."""

import asyncio

import pytest
from faust.types import TP

from streams_app.changefeed import Record
from streams_app.databases.fences import Fence, current
from streams_app.kafka.lanes import SLICE, Lane
from streams_app.kafka.processors import Plain

A, B = TP("t", 0), TP("t", 1)


def records(tp: TP, first: int, count: int) -> list[Record]:
    return [Record(tp.topic, tp.partition, first + i, b"k", b"v") for i in range(count)]


class Flow:
    """Notes what was paused and resumed."""

    def __init__(self) -> None:
        self.fence = Fence("group", 1)
        self.paused: set[TP] = set()

    def pause_partitions(self, tps: set[TP]) -> None:
        self.paused |= tps

    def resume_partitions(self, tps: set[TP]) -> None:
        self.paused -= tps


class Work:
    """A `process` that can be held up and can fail."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, batch) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append([(r.partition, r.offset) for r in batch])


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def flow():
    return Flow()


@pytest.fixture
async def lane(work, flow):
    lane = Lane("l", frozenset({"t"}), Plain(work), batch_size=4, buffer_records=8, drain_timeout=0.05)
    task = asyncio.ensure_future(lane.run(flow))
    yield lane
    task.cancel()
    await asyncio.wait({task})


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_batches_keep_each_partition_in_order_and_move_its_position(lane, work, flow):
    lane.offer(A, records(A, 10, 3), flow)
    lane.offer(B, records(B, 0, 3), flow)
    await settle()
    assert work.batches == [[(0, 10), (0, 11), (0, 12), (1, 0)], [(1, 1), (1, 2)]]
    assert lane.positions == {A: 13, B: 3}


async def test_no_position_moves_before_the_batch_is_done(lane, work, flow):
    work.gate.clear()
    lane.offer(A, records(A, 0, 2), flow)
    await settle()
    assert lane.positions == {}
    assert lane.done(A) == 0
    work.gate.set()
    await settle()
    assert lane.positions == {A: 2}
    assert lane.done(A) == 2


class Slices(Plain):
    """Notes how many records are decoded at once."""

    def __init__(self, process) -> None:
        super().__init__(process)
        self.sizes = []

    def decode(self, records, earlier=None):
        self.sizes.append(len(records))
        return super().decode(records, earlier)


@pytest.fixture
async def long_lane(work, flow):
    """A lane with a batch in flight that does not end, and more than two slices behind it."""
    processor = Slices(work)
    lane = Lane("l", frozenset({"t"}), processor, batch_size=3 * SLICE, buffer_records=9 * SLICE, drain_timeout=0.05)
    lane.processor = processor
    work.gate.clear()
    task = asyncio.ensure_future(lane.run(flow))
    lane.offer(A, records(A, 0, 1), flow)
    await asyncio.sleep(0)
    lane.offer(A, records(A, 1, 2 * SLICE + 1), flow)
    yield lane
    task.cancel()
    await asyncio.wait({task})


async def test_the_next_batch_is_decoded_in_slices_while_one_is_in_flight(long_lane, work):
    await settle()
    assert long_lane.processor.sizes == [1, SLICE, SLICE, 1]
    assert work.batches == []
    work.gate.set()
    await settle()
    assert [offset for batch in work.batches for _, offset in batch] == list(range(2 * SLICE + 2))
    assert long_lane.processor.sizes == [1, SLICE, SLICE, 1]


async def test_what_is_being_decoded_when_partitions_go_is_dropped(long_lane, work, flow):
    while len(long_lane.processor.sizes) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    work.gate.set()
    await long_lane.drain()
    long_lane.reset()
    await settle()
    assert work.batches == [[(0, 0)]]
    long_lane.offer(A, records(A, 1, 2), flow)
    await settle()
    assert work.batches[1:] == [[(0, 1), (0, 2)]]


async def test_records_that_come_again_in_one_assignment_are_passed_over(lane, work, flow):
    lane.offer(A, records(A, 10, 3), flow)
    lane.offer(A, records(A, 8, 4), flow)
    lane.offer(A, records(A, 11, 3), flow)
    await settle()
    assert [offset for batch in work.batches for _, offset in batch] == [10, 11, 12, 13]
    assert lane.positions == {A: 14}


async def test_nothing_is_taken_while_partitions_go(lane, work, flow):
    await lane.drain()
    lane.offer(A, records(A, 0, 2), flow)
    await settle()
    assert work.batches == []


async def test_a_full_buffer_pauses_partitions_until_half_is_done(lane, work, flow):
    work.gate.clear()
    for first in range(0, 24, 4):
        lane.offer(A, records(A, first, 4), flow)
        await settle()
    assert flow.paused == {A}
    work.gate.set()
    await settle()
    assert flow.paused == set()
    assert [offset for batch in work.batches for _, offset in batch] == list(range(24))


async def test_drain_waits_for_the_batch_in_flight_and_drops_what_is_buffered(lane, work, flow):
    work.gate.clear()
    lane.offer(A, records(A, 0, 6), flow)
    await settle()
    drain = asyncio.ensure_future(lane.drain())
    await settle()
    work.gate.set()
    await drain
    assert lane.positions == {A: 4}
    assert work.batches == [[(0, 0), (0, 1), (0, 2), (0, 3)]]


async def test_drain_gives_up_a_batch_that_takes_too_long_and_acks_nothing_of_it(lane, work, flow):
    work.gate.clear()
    lane.offer(A, records(A, 0, 2), flow)
    await settle()
    await lane.drain()
    work.gate.set()
    await settle()
    assert lane.positions == {}
    assert work.batches == []


async def test_after_reset_the_lane_serves_the_next_assignment(lane, work, flow):
    work.gate.clear()
    lane.offer(A, records(A, 0, 2), flow)
    await settle()
    await lane.drain()
    lane.reset()
    work.gate.set()
    lane.offer(A, records(A, 0, 2), flow)
    await settle()
    assert work.batches == [[(0, 0), (0, 1)]]
    assert lane.positions == {A: 2}


async def test_a_failure_leaves_run_and_acks_nothing(work, flow):
    lane = Lane("l", frozenset({"t"}), Plain(work), batch_size=4, buffer_records=8, drain_timeout=0.05)
    work.error = ValueError("for a person")
    lane.offer(A, records(A, 0, 1), flow)
    with pytest.raises(ValueError, match="for a person"):
        await lane.run(flow)
    assert lane.positions == {}


class Waiting(Plain):
    """Holds the records whose offsets are in `kept`, and is due when it is told to be."""

    def __init__(self, process) -> None:
        super().__init__(process)
        self.kept: set[int] = set()
        self.waiting: list[Record] = []
        self.is_due = False
        self.places = []

    async def process(self, batch) -> None:
        self.is_due = False
        self.places.append(current().places)
        self.waiting = [r for r in [*self.waiting, *batch] if r.offset in self.kept]
        await super().process(batch)

    def held(self):
        return self.waiting

    def due(self):
        return 0 if self.is_due else None if not self.waiting else 0.01

    def clear(self) -> None:
        self.waiting = []


@pytest.fixture
async def waiting_lane(work, flow):
    processor = Waiting(work)
    lane = Lane("l", frozenset({"t"}), processor, batch_size=4, buffer_records=8, drain_timeout=5)
    lane.processor = processor
    task = asyncio.ensure_future(lane.run(flow))
    yield lane
    task.cancel()
    await asyncio.wait({task})


async def test_no_position_passes_a_record_that_waits(waiting_lane, flow):
    waiting_lane.processor.kept = {11, 13}
    waiting_lane.offer(A, records(A, 10, 4), flow)
    waiting_lane.offer(B, records(B, 0, 2), flow)
    await settle()
    assert waiting_lane.positions == {A: 11, B: 2}
    waiting_lane.processor.kept = {13}
    waiting_lane.offer(A, records(A, 14, 1), flow)
    await settle()
    assert waiting_lane.positions == {A: 13, B: 2}


async def test_what_waited_is_processed_when_it_is_due_in_the_name_of_its_partition(waiting_lane, flow):
    waiting_lane.processor.kept = {11}
    waiting_lane.offer(A, records(A, 10, 2), flow)
    await settle()
    waiting_lane.processor.kept = set()
    waiting_lane.processor.is_due = True
    while waiting_lane.processor.is_due:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await settle()
    assert waiting_lane.positions == {A: 12}
    assert waiting_lane.processor.places == [(("t", 0),), (("t", 0),)]


async def test_a_batch_that_ends_as_partitions_go_is_noted_before_what_waits_is_forgotten(waiting_lane, work, flow):
    waiting_lane.processor.kept = {1}
    work.gate.clear()
    waiting_lane.offer(A, records(A, 0, 2), flow)
    await settle()
    work.gate.set()
    while not waiting_lane._in_flight.done():  # noqa: ASYNC110
        await asyncio.sleep(0)
    await waiting_lane.drain()
    assert waiting_lane.positions == {A: 1}
    waiting_lane.reset()
    await settle()
    assert waiting_lane.positions == {}
