"""A lane carries records of one batch agent: buffer, batch, process, then move the positions to commit.

Records of one partition stay in order, and one batch of a lane is in flight at a time; the next one is decoded
meanwhile. The lanes of an agent share its partitions: while one waits for its database, another decodes. A position
moves only when the batch that ends there is done, and not past a record that still waits, so positions are contiguous
by construction. After `drain` nothing moves any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from faust.types import TP

from streams_app.changefeed import RecordLike
from streams_app.databases.fences import Fence, guarding
from streams_app.errors import FencedError
from streams_app.kafka.buffers import Buffer
from streams_app.kafka.processors import Processor

logger = logging.getLogger(__name__)

# Records decoded at once while a batch is in flight: between two slices that batch goes on.
SLICE = 100


class FlowControl(Protocol):
    """What a lane asks of the consumer: room to breathe, and in whose name it works."""

    #: The worker's present assignment.
    fence: Fence

    def pause_partitions(self, tps: set[TP]) -> None:
        """Stop fetching from partitions."""
        ...

    def resume_partitions(self, tps: set[TP]) -> None:
        """Fetch from partitions again."""
        ...


class Lane:
    """Records of one batch agent's topics, on their way through a processor."""

    def __init__(
        self,
        name: str,
        topics: frozenset[str],
        processor: Processor,
        *,
        batch_size: int,
        buffer_records: int,
        drain_timeout: float,
        share: tuple[int, int] = (0, 1),
        waits: Callable[[], bool] = lambda: False,
    ) -> None:
        """`share` (n, m): the lane has every m-th partition, from number n on."""
        self.name = name
        self.topics = topics
        self._share = share
        #: Next offset to commit, per partition, as far as this worker has come since it got the partition.
        self.positions: dict[TP, int] = {}
        #: When the last batch ended or the lane was last empty (monotonic seconds): progress.
        self.last_progress = time.monotonic()
        #: Whether the lane has reason to wait: then lack of progress is no illness.
        self.waits = waits
        #: Called when every partition is forgotten.
        self.on_reset: Callable[[], None] = lambda: None
        self._processor = processor
        self._drain_timeout = drain_timeout
        self._buffer = Buffer(batch_size, buffer_records)
        #: Where this assignment began, per partition, and the end of what was processed.
        self._starts: dict[TP, int] = {}
        self._ends: dict[TP, int] = {}
        #: Partitions whose position stays behind the end, because a record waits.
        self._behind: set[TP] = set()
        self._paused: set[TP] = set()
        self._draining = False
        #: Counts how often the lane stopped taking records.
        self._taking = 0
        self._in_flight: asyncio.Task[None] | None = None
        self._next: tuple[Any, dict[TP, int]] | None = None
        self._wake = asyncio.Event()
        #: Whether what became of the last batch is in the positions.
        self._noted = asyncio.Event()
        self._noted.set()

    def takes(self, tp: TP) -> bool:
        """Whether the records of a partition are this lane's. Topics that share a key share its lane."""
        mine, lanes = self._share
        return tp.topic in self.topics and tp.partition % lanes == mine

    def begin(self, tp: TP, offset: int) -> None:
        """Note where this assignment of a partition begins; later calls change nothing."""
        self._starts.setdefault(tp, offset)

    def has_begun(self, tp: TP) -> bool:
        """Whether it is known where this assignment of a partition begins."""
        return tp in self._starts

    def done(self, tp: TP) -> int | None:
        """The first offset of a partition that is not done, or None while unknown."""
        return self.positions.get(tp, self._starts.get(tp))

    def waiting_from(self, tp: TP) -> int | None:
        """The first offset of a partition that is here and not done, or None when nothing of it is here."""
        done = self.done(tp)
        return done if done is not None and done < self._buffer.end(tp) else None

    def offer(self, tp: TP, records: Sequence[RecordLike], flow: FlowControl) -> None:
        """Take records of one partition into the buffer; when it is full all the lane's partitions are paused."""
        self.begin(tp, records[0].offset)
        if self._draining:
            return
        if self._buffer.add(tp, records):
            self._paused.update(self._starts)
            flow.pause_partitions(set(self._starts))
        self._wake.set()

    async def run(self, flow: FlowControl) -> None:
        """Process batches for ever. Raises what the processor raises: the caller ends the worker."""
        while True:
            batch, ends = self._following() or await self._await_batch()
            self._noted.clear()
            try:
                if await self._is_done(batch, {*ends, *self._behind}, flow):
                    self._advance(ends)
            finally:
                self._noted.set()
            self._resume(flow)

    async def _is_done(self, batch: Any, tps: set[TP], flow: FlowControl) -> bool:
        """Process a batch with records of partitions, of those too that waited; False: it was fenced or given up."""
        with guarding(flow.fence, tps):
            self._in_flight = asyncio.ensure_future(self._processor.process(batch))
        try:
            await self._overlap()
            self._resume(flow)  # the batch that was decoded has left the buffer
            await asyncio.shield(self._in_flight)
        except FencedError as error:
            logger.warning("%s: stopped, un-acked, until partitions are assigned anew: %s", self.name, error)
            self._stop_taking()
            return False
        except asyncio.CancelledError:
            if not self._in_flight.cancelled():
                raise
            return False  # given up by drain: its records are delivered again, to whoever has the partitions
        return True

    async def _await_batch(self) -> tuple[Any, dict[TP, int]]:
        """The next batch; an empty one when the processor is due without records."""
        while True:
            self._wake.clear()
            if not self._draining:
                if following := self._following():
                    return following
                if self._processor.due() == 0:
                    return self._processor.decode([]), {}
            self.last_progress = time.monotonic()
            try:
                async with asyncio.timeout(None if self._draining else self._processor.due()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _following(self) -> tuple[Any, dict[TP, int]] | None:
        """The next batch, decoded, if there are records."""
        following, self._next = self._next, None
        if following is None and not self._draining:
            records, ends = self._buffer.take()
            following = (self._processor.decode(records), ends) if records else None
        return following

    async def _overlap(self) -> None:
        """Decode the next batch while the one in flight waits for its database."""
        await asyncio.sleep(0)  # the one in flight begins
        assert self._in_flight is not None
        if self._in_flight.done() or self._draining:
            return
        records, ends = self._buffer.take()
        taking, batch = self._taking, None
        for start in range(0, len(records), SLICE):
            batch = self._processor.decode(records[start : start + SLICE], batch)
            await asyncio.sleep(0)
            if taking != self._taking:
                return  # the partitions went in the meantime
        if batch is not None:
            self._next = batch, ends

    def _advance(self, ends: Mapping[TP, int]) -> None:
        """The batch in flight is done: positions move to its ends, but not past what waits."""
        self._ends.update(ends)
        self.positions.update(ends)
        held: dict[TP, int] = {}
        for record in self._processor.held():
            tp = TP(record.topic, record.partition)
            held[tp] = min(record.offset, held.get(tp, record.offset))
        for tp, offset in held.items():
            self.positions[tp] = offset
        # What waited and is done now: the position follows.
        for tp in self._behind - held.keys():
            self.positions[tp] = self._ends[tp]
        self._behind = set(held)
        self.last_progress = time.monotonic()

    def _resume(self, flow: FlowControl) -> None:
        if self._paused and self._buffer.has_room and not self._draining:
            flow.resume_partitions(self._paused)
            self._paused = set()

    def _stop_taking(self) -> None:
        self._draining = True
        self._taking += 1
        self._next = None
        self._buffer.clear()

    async def drain(self) -> None:
        """Start no further batch; wait for the one in flight, and give it up after `drain_timeout` seconds.

        Afterwards `positions` is final. What was buffered or given up is delivered again.
        """
        self._stop_taking()
        task = self._in_flight
        if task is not None and not task.done():
            done, _ = await asyncio.wait({task}, timeout=self._drain_timeout)
            if not done:
                logger.warning("%s: a batch is given up after %.0f s, un-acked", self.name, self._drain_timeout)
                task.cancel()
                await asyncio.wait({task})
        # run() takes note of the result before the positions are read, and never after reset.
        await self._noted.wait()

    def reset(self) -> None:
        """Forget every partition; the lane is ready for a new assignment."""
        self.positions.clear()
        self._starts.clear()
        self._ends.clear()
        self._behind.clear()
        self._paused.clear()
        self._buffer.forget()
        self._processor.clear()
        self._draining = False
        self.last_progress = time.monotonic()
        self.on_reset()
        self._wake.set()
