"""The thread of a worker that owns the Kafka client; what is asked of the client itself is asked here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

# Seconds a commit may take. Twice that and the drain of a batch in flight fit into the rebalance timeout.
COMMIT_TIMEOUT = 4.0
# Milliseconds a fetch waits for records. Faust's 1500 delay the first records of partitions that have just come, or of
# a lane that has room again while a fetch for the others is under way.
FETCH_MAX_WAIT = 100


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's, with time limits, and reading committed records only."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Sources write in transactions (Connect with exactly-once): what they abort must not be seen. Faust has no
        # setting for it outside its own transactions, and reads this attribute only when the client starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT
        # Round robin, which Faust takes for an app without tables, keeps no partition numbers together.
        if self.app.together:
            consumer._partition_assignment_strategy = [self.app.assignor]
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                committed: bool = await super()._commit(offsets)
                return committed
        except TimeoutError:
            # Left to itself it would wait for the broker for ever, and every later commit behind it.
            self.log.warning("no commit within %.0f s: tried again", COMMIT_TIMEOUT)
            return False

    async def rewind(self, firsts: Mapping[TP, int]) -> None:
        """Fetch again from these offsets, where the client has come past them."""
        await self.call_thread(self._rewind, firsts)

    async def _rewind(self, firsts: Mapping[TP, int]) -> None:
        for tp, first in firsts.items():
            position, _ = self.next_fetch(tp)
            if position is not None and position > first:
                self._ensure_consumer().seek(aiokafka.TopicPartition(tp.topic, tp.partition), first)

    async def on_thread_stop(self) -> None:
        """Close the client. Without a broker that may fail or not end, and the worker would never end, either."""
        closing = asyncio.ensure_future(super().on_thread_stop())
        await asyncio.wait({closing}, timeout=COMMIT_TIMEOUT)
        if not closing.done():
            closing.cancel()
        elif closing.cancelled() or closing.exception() is not None:
            self.log.warning("the Kafka client did not close in order")

    @property
    def group_generation(self) -> int:
        """The generation of the group that this worker is in."""
        generation: int = self._ensure_consumer()._coordinator.generation
        return generation

    def next_fetch(self, tp: TP) -> tuple[int | None, int | None]:
        """The next offset to fetch of a partition, and the end that may be read; None while unknown."""
        assigned = self._ensure_consumer()._subscription.subscription
        if assigned is None or assigned.assignment is None:
            return None, None
        state = assigned.assignment.state_value(aiokafka.TopicPartition(tp.topic, tp.partition))
        if state is None or not state.has_valid_position:
            return None, None
        return state.position, state.lso
