"""Faust's transport with a second path: whole record lists of batch topics go to lanes, all else stays stock.

Registered as `batches://` under the entry point group `faust.transports`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import aiokafka
from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from mode import Service

from streams_app.kafka.lanes import Lane


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that owns the Kafka client."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Sources write in transactions (Connect with exactly-once): what they abort must not be seen. Faust has no
        # setting for it outside its own transactions, and reads this attribute only when the client starts.
        consumer._isolation_level = "read_committed"
        return consumer

    def next_fetch(self, tp: TP) -> tuple[int | None, int | None]:
        """The next offset to fetch of a partition, and the end that may be read; None while unknown."""
        assigned = self._ensure_consumer()._subscription.subscription
        if assigned is None or assigned.assignment is None:
            return None, None
        state = assigned.assignment.state_value(aiokafka.TopicPartition(tp.topic, tp.partition))
        if state is None or not state.has_valid_position:
            return None, None
        return state.position, state.lso


class Consumer(stock.Consumer):  # type: ignore[misc]
    """Hands record lists of batch topics to lanes and commits the lanes' positions."""

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of all batch agents."""
        lanes: list[Lane] = self.app.lanes
        return lanes

    def lane_of(self, topic: str) -> Lane | None:
        """The lane that takes a topic's records, or None for a stock topic."""
        return next((lane for lane in self.lanes if topic in lane.topics), None)

    @Service.task  # type: ignore[untyped-decorator]
    async def _run_lanes(self) -> None:
        try:
            await asyncio.gather(*(lane.run(self) for lane in self.lanes))
        except Exception as error:
            # What a lane cannot handle must end the worker: nothing of that batch is acked, another worker tries.
            await self.crash(error)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 (the signature is Faust's)
    ) -> Mapping[TP, Sequence[Any]]:
        generation = self.app.consumer_generation_id
        records = await super()._getmany(active_partitions, timeout)
        rest = {}
        for tp, batch in (records or {}).items():
            lane = self.lane_of(tp.topic)
            if lane is None:
                rest[tp] = batch
            # Fetched before a rebalance that has begun since: the positions are sought again after it.
            elif self.flow_active and generation == self.app.consumer_generation_id and batch:
                lane.offer(TP(tp.topic, tp.partition), batch, self)
        return rest

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        for lane in self.lanes:
            for tp in list(lane.positions):
                if topics is None or tp in topics or tp.topic in topics:
                    yield tp

    def _new_offset(self, tp: TP) -> int | None:
        lane = self.lane_of(tp.topic)
        if lane is not None:
            return lane.positions.get(tp)
        offset: int | None = super()._new_offset(tp)
        return offset

    async def wait_empty(self) -> None:
        """Partitions go, or the worker stops: end or give up what is in flight, then commit what is done."""
        await asyncio.gather(*(lane.drain() for lane in self.lanes))
        await self.maybe_wait_for_commit_to_finish()
        await super().wait_empty()
        for lane in self.lanes:
            lane.reset()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Stock topics only: Faust would take a lane's partition for a stuck stream. Health watches the lanes."""
        if self.lane_of(tp.topic) is None:
            super().verify_event_path(now, tp)

    def lag(self) -> dict[TP, int]:
        """Records of each batch partition that are not yet done, for partitions whose end is known."""
        lags = {}
        for tp in self.assignment():
            lane = self.lane_of(tp.topic)
            if lane is None:
                continue
            position, end = self._thread.next_fetch(tp)
            waiting = lane.waiting_from(TP(tp.topic, tp.partition))
            if position is not None and end is not None:
                lags[tp] = max(0, end - (position if waiting is None else waiting))
        return lags


class Transport(stock.Transport):  # type: ignore[misc]
    """The `batches://` transport."""

    Consumer: ClassVar[type[Consumer]] = Consumer
