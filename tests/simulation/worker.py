"""A worker: the real lanes and what processes their batches, behind a consumer that acts as our driver does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from faust.types import TP

from streams_app.databases.fences import Fence
from streams_app.kafka.app import SentRow
from streams_app.kafka.processors import Processor, processors_of
from streams_app.topics import TopicSpec
from tests.simulation.base import Simulation
from tests.simulation.kafka import Broker, DeadLetters, IllegalGenerationError, Producer, Versions
from tests.simulation.loop import Process

GROUP = "simulated"
COMMIT_INTERVAL = 0.5
DRAIN_TIMEOUT = 1.0
FETCH_RECORDS = 12


class Worker:
    """One process of the group."""

    def __init__(self, name: str, simulation: Simulation, broker: Broker, lane: Callable[..., Any]) -> None:
        self.name = name
        self.process = Process(name)
        self.consumer = self
        self.producer = Producer(simulation, broker)
        self._simulation = simulation
        self._broker = broker
        self._new_lane = lane
        self._lanes: list[Any] = []
        self._versions = Versions(simulation, broker)
        self._letters = DeadLetters(self.producer, broker)
        self._generation = 0
        self.fence = Fence(GROUP, 0)
        self._committed: dict[TP, int] = {}
        self._fetch_from: dict[TP, int] = {}
        self._end_known_from: dict[TP, float] = {}
        self._paused: set[TP] = set()
        self._flow = asyncio.Event()
        self._data = asyncio.Event()
        self._rebalance = asyncio.Event()
        self._committing: asyncio.Future[None] | None = None
        self.stopped = False

    def batch_agent(
        self,
        name: str,
        topics: Iterable[TopicSpec],
        process: Processor | Sequence[Processor],
        settings: None,
        *,
        drain_timeout: float = DRAIN_TIMEOUT,
        waits: Callable[[], bool] = lambda: False,
    ) -> Any:
        """As StreamsApp.batch_agent, with limits by seed."""
        rng = self._simulation.rng
        processors = processors_of(process)
        batch_size, buffer_records = rng.randint(2, 10), rng.randint(4, 20)
        lanes = [
            self._new_lane(
                name,
                frozenset(topic.name for topic in topics),
                processor,
                batch_size=batch_size,
                buffer_records=buffer_records,
                drain_timeout=drain_timeout,
                share=(number, len(processors)),
                waits=waits,
            )
            for number, processor in enumerate(processors)
        ]
        self._lanes += lanes
        return lanes

    def start(self) -> None:
        """Run in a process of its own until it is stopped or killed."""
        for work in (self._consume(), self._run_lanes(), self._fetch(), self._commit_now_and_then()):
            self._simulation.loop.spawn(self.process, work)

    def stop(self) -> None:
        """Ask for a clean stop."""
        self.stopped = True
        self.on_rebalance()

    def on_rebalance(self) -> None:
        self._rebalance.set()

    def on_data(self) -> None:
        self._data.set()

    async def _consume(self) -> None:
        while True:
            self._rebalance.clear()
            generation, partitions = await self._broker.group.join(self)
            await self._assigned(generation, partitions)
            await self._rebalance.wait()
            self._flow.clear()
            await self._give_up_partitions()
            if self.stopped:
                await self._broker.call(lambda: self._broker.group.expire(self.name))
                self._end("stopped")
                return

    async def _assigned(self, generation: int, partitions: list[TP]) -> None:
        await self._versions.rebuild({tp.partition for tp in partitions})
        committed = await self._broker.call(lambda: dict(self._broker.committed))
        self._generation = generation
        self.fence = Fence(GROUP, generation)
        self._committed = {tp: committed[tp] for tp in partitions}
        self._fetch_from = dict(self._committed)
        for tp, position in self._fetch_from.items():
            self._lane_of(tp).begin(tp, position)
        # The end of a partition is known from the first answer about it.
        rng, first = self._simulation.rng, self._simulation.chances.first_answer
        self._end_known_from = {tp: self._simulation.loop.time() + first * rng.random() for tp in partitions}
        self._paused = set()
        self._flow.set()
        self._data.set()

    async def _give_up_partitions(self) -> None:
        """As the driver's wait_empty: end or give up what is in flight, then commit what is done."""
        await asyncio.gather(*(lane.drain() for lane in self._lanes))
        if self._committing is not None:
            await self._committing
        await self._commit()
        for lane in self._lanes:
            lane.reset()

    async def _run_lanes(self) -> None:
        try:
            await asyncio.gather(*(lane.run(self) for lane in self._lanes))
        except Exception as error:
            self._simulation.violated(f"{self.name} ended by {type(error).__name__}: {error}")
            self._end("crashed")

    def _end(self, how: str) -> None:
        self._simulation.note(f"workers_{how}", self.name)
        self._simulation.loop.kill(self.process)

    async def _fetch(self) -> None:
        rng = self._simulation.rng
        while True:
            await self._flow.wait()
            generation = self._generation
            records = self._next_records()
            if not records:
                self._data.clear()
                await self._data.wait()
                continue
            await asyncio.sleep(0.05 * rng.random())
            # As in the driver: fetched before a rebalance that has begun since.
            if self._flow.is_set() and generation == self._generation:
                for tp, fetched in records.items():
                    self._fetch_from[tp] += len(fetched)
                    self._lane_of(tp).offer(tp, fetched, self)

    def _lane_of(self, tp: TP) -> Any:
        return next(lane for lane in self._lanes if lane.takes(tp))

    async def send_records(self, tp: TP, rows: Iterable[SentRow]) -> int:
        """As StreamsApp.send_records: all rows, or the first of them, in order."""
        end = 0
        for key, value, headers in rows:
            end = (await self.producer.park(tp, key, value, headers)).offset + 1
        return end

    def assignment(self) -> set[TP]:
        """As the consumer's: the worker's partitions."""
        return set(self._committed)

    def lag(self) -> dict[TP, int]:
        """As the driver's: records of each partition that are not yet done."""
        lags, now = {}, self._simulation.loop.time()
        for tp in self._fetch_from:
            if now >= self._end_known_from[tp]:
                lags[tp] = max(0, len(self._broker.logs[tp]) - self._lane_of(tp).done(tp))
        return lags

    def is_through(self, topic: str) -> bool:
        """As the driver's."""
        lags = self.lag()
        return all(lags.get(tp, 1) == 0 for tp in self._committed if tp.topic == topic)

    def _next_records(self) -> Mapping[TP, list[object]]:
        found = {}
        for tp, position in self._fetch_from.items():
            fetched = [] if tp in self._paused else self._broker.logs[tp][position : position + FETCH_RECORDS]
            if fetched:
                found[tp] = list(fetched)
        return found

    def pause_partitions(self, tps: set[TP]) -> None:
        self._paused |= tps

    def resume_partitions(self, tps: set[TP]) -> None:
        self._paused -= tps
        self._data.set()

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL)
            if self._flow.is_set():
                await self._commit()

    async def _commit(self) -> None:
        """Commit what is new, one commit at a time."""
        if self._committing is not None:
            return
        offsets = {
            tp: position
            for lane in self._lanes
            for tp, position in lane.positions.items()
            if tp in self._committed and position > self._committed[tp]
        }
        if not offsets:
            return
        self._committing = self._simulation.loop.create_future()
        await self._versions.flush()
        try:
            await self._broker.commit(self.name, self._generation, offsets)
            self._committed.update(offsets)
        except IllegalGenerationError:
            self.on_rebalance()
        done, self._committing = self._committing, None
        done.set_result(None)
