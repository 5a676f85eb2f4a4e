"""Faust's transport with a second path: whole record lists of batch topics go to lanes, all else stays stock.

Registered as `batches://` under the entry point group `faust.transports`. On both paths a position moves only past what
is done, positions are committed before partitions are given up, and nothing is committed for them afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from mode import Service

from streams_app.databases.fences import Fence
from streams_app.kafka.consumer_thread import COMMIT_TIMEOUT, ConsumerThread
from streams_app.kafka.lanes import Lane
from streams_app.kafka.producer import Producer
from streams_app.kafka.watermark import Watermark


class Consumer(stock.Consumer):  # type: ignore[misc]
    """Hands record lists of batch topics to lanes and commits the lanes' positions."""

    _thread: ConsumerThread
    #: In whose name the lanes work; made anew with each assignment.
    fence = Fence("", -1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watermarks: dict[TP, Watermark] = {}
        self._lane_of: dict[TP, Lane | None] = {}
        # What the broker has confirmed in this assignment. Faust's own book counts failed commits, too.
        self._confirmed: dict[TP, int] = {}
        self._all_confirmed_at = time.monotonic()
        self._resumed = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of all batch agents."""
        lanes: list[Lane] = self.app.lanes
        return lanes

    def lane_of(self, tp: TP) -> Lane | None:
        """The lane that takes a partition's records, or None for a stock topic."""
        if tp not in self._lane_of:
            self._lane_of[tp] = next((lane for lane in self.lanes if lane.takes(tp)), None)
        return self._lane_of[tp]

    @Service.task  # type: ignore[untyped-decorator]
    async def _run_lanes(self) -> None:
        try:
            await asyncio.gather(*(lane.run(self) for lane in self.lanes))
        except Exception as error:
            # What a lane cannot handle must end the worker: nothing of that batch is acked, another worker tries.
            await self.crash(error)

    def resume_partitions(self, tps: set[TP]) -> None:
        """Fetch from partitions again, at once."""
        super().resume_partitions(tps)
        self._resumed.set()

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 (the signature is Faust's)
    ) -> tuple[Any, set[TP] | None]:
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            # Faust sleeps for a second when there is nothing to fetch from: full lanes are empty long before.
            self._resumed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._resumed.wait()
            return {}, set()
        found: tuple[Any, set[TP] | None] = await super()._wait_next_records(timeout)
        return found

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 (the signature is Faust's)
    ) -> Mapping[TP, Sequence[Any]]:
        generation = self.app.consumer_generation_id
        self._note_beginnings()
        records = await super()._getmany(active_partitions, timeout) or {}
        if not self.flow_active or generation != self.app.consumer_generation_id:
            # A rebalance has begun since, and may be over, its seek done before these records were fetched: they are
            # dropped, so they must be fetched again.
            await self._thread.rewind({tp: batch[0].offset for tp, batch in records.items() if batch})
            return {}
        rest = {}
        for tp, batch in records.items():
            lane = self.lane_of(tp)
            if lane is None:
                rest[tp] = batch
            elif batch:
                lane.offer(TP(tp.topic, tp.partition), batch, self)
                self._show_in_monitor(TP(tp.topic, tp.partition), batch)
        return rest

    def _show_in_monitor(self, tp: TP, batch: Sequence[Any]) -> None:
        """What Faust's monitor counts per message, once per record list."""
        monitor = self.app.monitor
        monitor.messages_received_total += len(batch)
        monitor.messages_received_by_topic[tp.topic] += len(batch)
        monitor.tp_read_offsets[tp] = batch[-1].offset
        monitor.track_tp_end_offset(tp, self.highwater(tp))

    def _to_message(self, tp: TP, record: Any) -> Any:
        message = super()._to_message(tp, record)
        if self.app.topics.acks_enabled_for(record.topic):
            self._watermarks.setdefault(TP(tp.topic, tp.partition), Watermark()).delivered(message)
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: watermarks go by what was delivered, and Faust counts the record behind a gap as acked."""

    def _note_beginnings(self) -> None:
        """Nothing is on its way from the client now: what it fetches next is where an assignment begins."""
        for tp in self.assignment() if self.flow_active else ():
            lane = self.lane_of(tp)
            if lane is not None and not lane.has_begun(tp):
                position, _ = self._thread.next_fetch(tp)
                if position is not None:
                    lane.begin(tp, position)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        known = [*self._watermarks, *(tp for lane in self.lanes for tp in lane.positions)]
        return (tp for tp in known if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        lane = self.lane_of(tp)
        if lane is not None:
            return lane.positions.get(tp)
        # Faust's lists of acked offsets would grow for ever, now that nothing reads them.
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        watermark = self._watermarks.get(tp)
        return None if watermark is None else watermark.advance()

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return offset > self._confirmed.get(tp, -1)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        committed: bool = await super()._commit(offsets)
        if committed:
            self._confirmed.update(offsets)
        return committed

    def _uncommitted(self) -> dict[TP, int]:
        due: dict[TP, int] = self._filter_committable_offsets(self._filter_tps_with_pending_acks())
        return due

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the positions (of some topics). Returns whether anything was committed."""
        due = self._uncommitted()
        committed: bool = await super().force_commit(topics, start_new_transaction)
        if not any(self._should_commit(tp, offset) for tp, offset in due.items()):
            self._all_confirmed_at = time.monotonic()
        return committed

    @property
    def seconds_uncommitted(self) -> float:
        """For how many seconds something that is done has not been committed; 0.0 when all of it is."""
        return time.monotonic() - self._all_confirmed_at if self._uncommitted() else 0.0

    async def wait_empty(self) -> None:
        """Partitions go, or the worker stops: end or give up what is in flight, then commit what is done."""
        await asyncio.gather(self._drain_agents(), *(lane.drain() for lane in self.lanes))
        await self._commit_before_leaving()
        self._watermarks.clear()
        self._confirmed.clear()
        self._all_confirmed_at = time.monotonic()
        for lane in self.lanes:
            lane.reset()

    async def _drain_agents(self) -> None:
        """Wait for the events that stock agents have in hand. Faust waits for ever, past the rebalance timeout."""
        deadline = time.monotonic() + self.app.drain_timeout
        while self._unacked_messages and time.monotonic() < deadline:
            await self._wait_for_ack(timeout=1)
            self._clean_unacked_messages()
        if self._unacked_messages:
            self.log.warning("%d events are given up after the drain timeout, un-acked", len(self._unacked_messages))
            self._unacked_messages.clear()

    async def _commit_before_leaving(self) -> None:
        if self._commit_fut is not None:
            await asyncio.wait({self._commit_fut}, timeout=COMMIT_TIMEOUT)
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                await self.force_commit()
        except TimeoutError:
            pass
        uncommitted = self._uncommitted()
        if uncommitted:
            self.log.warning("%d partitions go without a last commit, records will come again", len(uncommitted))

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The lanes work in the name of the group's new generation."""
        self.fence = Fence(self.app.conf.id, self._thread.group_generation)
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Stock topics only: Faust would take a lane's partition for a stuck stream. Health watches the lanes."""
        if self.lane_of(tp) is None:
            super().verify_event_path(now, tp)

    def lag(self) -> dict[TP, int]:
        """Records of each batch partition that are not yet done, for partitions whose end is known."""
        lags = {}
        for tp in self.assignment():
            lane = self.lane_of(tp)
            if lane is None:
                continue
            position, end = self._thread.next_fetch(tp)
            if position is not None and end is not None:
                waiting = lane.waiting_from(tp)
                # Markers of transactions lie behind the last record: when nothing waits, the client's position counts.
                lags[tp] = max(0, end - (position if waiting is None else waiting))
        return lags

    def hidden(self) -> dict[TP, int]:
        """Records of each batch partition that no reader gets to see before a transaction ends, where there are any.

        No lag tells of them. They are there for ever when the broker has lost the transaction's end.
        """
        hidden = {}
        for tp in self.assignment():
            if self.lane_of(tp) is not None:
                end, (_, visible) = self.highwater(tp), self._thread.next_fetch(tp)
                if end and visible is not None and end > visible:
                    hidden[tp] = end - visible
        return hidden

    def is_through(self, topic: str) -> bool:
        """Whether every record of a topic's partitions here is done; False while a beginning or an end is unknown.

        Unlike `lag` it counts records that are on their way from the client. For topics without transactions.
        """
        for tp in self.assignment():
            if tp.topic == topic:
                lane, (_, end) = self.lane_of(tp), self._thread.next_fetch(tp)
                done = lane.done(tp) if lane is not None else None
                if done is None or end is None or done < end:
                    return False
        return True


class Transport(stock.Transport):  # type: ignore[misc]
    """The `batches://` transport."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer
