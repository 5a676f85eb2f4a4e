"""A lane carries the records of one batch agent: buffer, batch, process, then move the positions to commit.

Records of one partition stay in order, and one batch of a lane is in flight at a time. A position moves only when
the batch that ends there is done, so positions are contiguous by construction. After `drain` nothing moves any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from faust.types import TP

from streams_app.changefeed import RecordLike

logger = logging.getLogger(__name__)

Process = Callable[[Sequence[Any]], Awaitable[None]]


class FlowControl(Protocol):
    """What a lane asks of the consumer when it has enough records, or room again."""

    def pause_partitions(self, tps: set[TP]) -> None:
        """Stop fetching from partitions."""
        ...

    def resume_partitions(self, tps: set[TP]) -> None:
        """Fetch from partitions again."""
        ...


class Lane:
    """The records of one batch agent's topics, on their way through `process`."""

    def __init__(
        self,
        name: str,
        topics: frozenset[str],
        process: Process,
        *,
        batch_size: int,
        buffer_records: int,
        drain_timeout: float,
        waits: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.topics = topics
        #: Next offset to commit, per partition, as far as this worker has come since it got the partition.
        self.positions: dict[TP, int] = {}
        #: When the last batch ended or the lane was last empty (monotonic seconds): progress.
        self.last_progress = time.monotonic()
        #: Whether the lane has reason to wait: then lack of progress is no illness.
        self.waits = waits
        #: Called when every partition is forgotten.
        self.on_reset: Callable[[], None] = lambda: None
        self._process = process
        self._batch_size = batch_size
        self._buffer_records = buffer_records
        self._drain_timeout = drain_timeout
        self._chunks: deque[tuple[TP, Sequence[RecordLike]]] = deque()
        self._buffered = 0
        self._following: dict[TP, int] = {}
        self._paused: set[TP] = set()
        self._draining = False
        self._in_flight: asyncio.Task[None] | None = None
        self._first_in_flight: dict[TP, int] = {}
        self._wake = asyncio.Event()

    def offer(self, tp: TP, records: Sequence[RecordLike], flow: FlowControl) -> None:
        """Take records of one partition into the buffer; over `buffer_records` the partition is paused.

        Records that the lane already had in this assignment are passed over: when Faust resumes after a rebalance it
        seeks to the committed offsets a moment after it began to fetch.
        """
        following = self._following.get(tp, 0)
        if records[0].offset < following:
            records = [record for record in records if record.offset >= following]
        if not records or self._draining:
            return
        self._following[tp] = records[-1].offset + 1
        self._chunks.append((tp, records))
        self._buffered += len(records)
        if self._buffered >= self._buffer_records:
            self._paused.add(tp)
            flow.pause_partitions({tp})
        self._wake.set()

    async def run(self, flow: FlowControl) -> None:
        """Process batches for ever. Raises what `process` raises: the caller ends the worker."""
        while True:
            await self._wake.wait()
            batch, ends = self._take()
            if not batch:
                self._wake.clear()
                self.last_progress = time.monotonic()
                continue
            self._in_flight = asyncio.ensure_future(self._process(batch))
            try:
                await asyncio.shield(self._in_flight)
            except asyncio.CancelledError:
                if not self._in_flight.cancelled():
                    raise
                continue  # given up by drain: its records are delivered again, to whoever has the partitions
            finally:
                self._first_in_flight = {}
            self.positions.update(ends)
            self.last_progress = time.monotonic()
            self._resume(flow)

    def _take(self) -> tuple[list[RecordLike], dict[TP, int]]:
        batch: list[RecordLike] = []
        ends: dict[TP, int] = {}
        while self._chunks and len(batch) < self._batch_size and not self._draining:
            tp, records = self._chunks.popleft()
            room = self._batch_size - len(batch)
            if len(records) > room:
                self._chunks.appendleft((tp, records[room:]))
                records = records[:room]
            self._first_in_flight.setdefault(tp, records[0].offset)
            batch.extend(records)
            ends[tp] = records[-1].offset + 1
        self._buffered -= len(batch)
        return batch, ends

    def _resume(self, flow: FlowControl) -> None:
        if self._paused and self._buffered <= self._buffer_records // 2 and not self._draining:
            flow.resume_partitions(self._paused)
            self._paused = set()

    async def drain(self) -> None:
        """Start no further batch; wait for the one in flight, and give it up after `drain_timeout` seconds.

        Afterwards `positions` is final. What was buffered or given up is delivered again.
        """
        self._draining = True
        self._chunks.clear()
        self._buffered = 0
        task = self._in_flight
        if task is None or task.done():
            return
        done, _ = await asyncio.wait({task}, timeout=self._drain_timeout)
        if not done:
            logger.warning("%s: a batch in flight is given up after %.0f s, un-acked", self.name, self._drain_timeout)
            task.cancel()
            await asyncio.wait({task})
        # Let run() take note of the result before the positions are read.
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Forget every partition; the lane is ready for a new assignment."""
        self.positions.clear()
        self._following.clear()
        self._paused.clear()
        self._chunks.clear()
        self._buffered = 0
        self._draining = False
        self.last_progress = time.monotonic()
        self.on_reset()

    def waiting_from(self, tp: TP) -> int | None:
        """The first offset of a partition that is here and not yet done, or None when nothing of it is here."""
        first = self._first_in_flight.get(tp)
        if first is not None:
            return first
        return next((records[0].offset for chunk_tp, records in self._chunks if chunk_tp == tp), None)
