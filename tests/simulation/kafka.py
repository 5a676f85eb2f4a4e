"""Kafka in memory: topics, one consumer group with generations, the changelog of the version table, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams_app.changefeed import Record
from streams_app.delivery.ports import DeadLetter, Mark
from streams_app.kafka.parking import unwrapped
from streams_app.topics import DEAD_LETTERS, TopicSpec, parked_topic
from tests.simulation.base import Server, Simulation

SESSION_TIMEOUT = 3.0
REBALANCE_TIMEOUT = 4.0
HEARTBEAT = 0.7


#: Where a record lies.
Place = tuple[TP, int]


class IllegalGenerationError(Exception):
    """The group has moved on without this member."""


class Member(Protocol):
    """A worker as the group sees it."""

    name: str

    def on_rebalance(self) -> None:
        """The group is rebalancing: give up the partitions and join again."""

    def on_data(self) -> None:
        """There may be something to fetch."""


class Broker(Server):
    """Logs and committed offsets. Messages to it always arrive; what is fenced is refused."""

    def __init__(self, simulation: Simulation, topics: Iterable[TopicSpec], regions: Iterable[str]) -> None:
        super().__init__(simulation, "broker")
        self.partitions = simulation.rng.randint(1, 4)
        every = [*topics, *(parked_topic(region) for region in regions)]
        self.logs: dict[TP, list[Record]] = {
            TP(topic.name, partition): [] for topic in every for partition in range(self.partitions)
        }
        #: The change that a record carries; None when it asks for nothing.
        self.change_of: dict[Place, Any] = {}
        #: Where the original of a parked record lies.
        self.original: dict[Place, Place] = {}
        self.committed: dict[TP, int] = dict.fromkeys(self.logs, 0)
        self.changelog: list[tuple[int, dict[str, Mark]]] = []
        self.dead_letters: list[DeadLetter] = []
        self.group = Group(simulation, self)
        #: Told of every accepted commit before it counts.
        self.check_commit: Callable[[TP, int, int], None] = lambda tp, old, new: None

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        change: Any,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> Record:
        """Add a record to a log."""
        tp = TP(topic, partition)
        record = Record(topic, partition, len(self.logs[tp]), key, value, headers)
        self.logs[tp].append(record)
        self.change_of[tp, record.offset] = change
        self.simulation.tally["records"] += 1
        for member in self.group.members.values():
            member.on_data()
        return record

    def park(self, parked: Record) -> Record:
        """Add a parked record; it carries the change of its origin."""
        origin = unwrapped(parked)
        place = TP(origin.topic, origin.partition), origin.offset
        self.simulation.note("parked", f"{origin.topic}/{origin.partition}@{origin.offset}")
        change = self.change_of[place]
        copy = self.append(parked.topic, parked.partition, parked.key, parked.value, change, parked.headers)
        self.original[TP(copy.topic, copy.partition), copy.offset] = place
        return copy

    async def commit(self, name: str, generation: int, offsets: Mapping[TP, int]) -> None:
        """Commit offsets of a member. Raises IllegalGenerationError."""
        await self.call(lambda: self._commit(name, generation, offsets))

    def _commit(self, name: str, generation: int, offsets: Mapping[TP, int]) -> None:
        if name not in self.group.members or generation != self.group.generation:
            self.simulation.note("fenced_commits", name)
            raise IllegalGenerationError(name)
        for tp, offset in offsets.items():
            self.check_commit(tp, self.committed[tp], offset)
            self.committed[tp] = offset
        self.simulation.note("commits", f"{name} {len(offsets)} partitions")

    @property
    def lag(self) -> int:
        """Records that no commit covers."""
        return sum(len(log) - self.committed[tp] for tp, log in self.logs.items())


class Group:
    """The consumer group: a rebalance ends when every member has joined, or when its time is over."""

    def __init__(self, simulation: Simulation, broker: Broker) -> None:
        self._simulation = simulation
        self._broker = broker
        self.members: dict[str, Member] = {}
        self.generation = 0
        self.stable = True
        self._waiting: dict[str, asyncio.Future[tuple[int, list[TP]]]] = {}
        self._round = 0

    async def join(self, member: Member) -> tuple[int, list[TP]]:
        """Wait for the next generation; the answer is its number and the member's partitions."""
        future: asyncio.Future[tuple[int, list[TP]]] = self._simulation.loop.create_future()
        await self._broker.call(lambda: self._join(member, future))
        return await future

    def _join(self, member: Member, future: asyncio.Future[tuple[int, list[TP]]]) -> None:
        self.members.setdefault(member.name, member)
        self._waiting[member.name] = future
        if self.stable:
            self._prepare()
        self._complete_if_all()

    def _prepare(self) -> None:
        self.stable = False
        self._round += 1
        self._simulation.note("rebalances", ", ".join(self.members))
        for name in self.members:
            self._later(HEARTBEAT * self._simulation.rng.random(), self._notify, name, self._round)
        self._later(REBALANCE_TIMEOUT, self._deadline, self._round)

    def _later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        self._simulation.loop.call_later(delay, callback, *args, context=self._broker.process.context)

    def _notify(self, name: str, round_: int) -> None:
        if round_ == self._round and not self.stable and name in self.members and name not in self._waiting:
            self.members[name].on_rebalance()

    def _deadline(self, round_: int) -> None:
        if round_ == self._round and not self.stable and self._waiting:
            self.members = {name: member for name, member in self.members.items() if name in self._waiting}
            self._complete()

    def _complete_if_all(self) -> None:
        if not self.stable and self._waiting and self.members.keys() <= self._waiting.keys():
            self._complete()

    def _complete(self) -> None:
        self.generation += 1
        self.stable = True
        names = list(self.members)
        numbers = list(range(self._broker.partitions))
        self._simulation.rng.shuffle(numbers)
        # One worker has the same partition of every topic, as Faust assigns them.
        owner = {number: names[index % len(names)] for index, number in enumerate(numbers)}
        self._simulation.note("generations", f"{self.generation}: {', '.join(names)}")
        for name, future in self._waiting.items():
            partitions = [tp for tp in self._broker.logs if owner[tp.partition] == name]
            self._broker.answer(future, (self.generation, partitions))
        self._waiting = {}

    def expire(self, name: str) -> None:
        """A member's session is over, or it left."""
        if self.members.pop(name, None) is None:
            return
        self._waiting.pop(name, None)
        if self.members and self.stable:
            self._prepare()
        self._complete_if_all()


class Versions:
    """A worker's version table: its writes go to the changelog without waiting; `flush` waits."""

    def __init__(self, simulation: Simulation, broker: Broker) -> None:
        self._simulation = simulation
        self._broker = broker
        self._data: dict[str, Mark] = {}
        self._unsent: list[asyncio.Future[Any]] = []

    def get(self, key: str, partition: int) -> Mark | None:
        return self._data.get(key)

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        self._data.update(marks)
        written = dict(marks)
        self._unsent.append(self._broker.call(lambda: self._broker.changelog.append((partition, written))))
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """Wait until the broker has all."""
        unsent, self._unsent = self._unsent, []
        for future in unsent:
            await future

    async def rebuild(self, partitions: set[int]) -> None:
        """Read the changelog of partitions; it may have been lost, or be that of an older day."""
        changelog = await self._broker.call(lambda: list(self._broker.changelog))
        if self._simulation.happens(self._simulation.chances.table_loss):
            self._simulation.note("tables_lost")
            self._data.clear()
            changelog = changelog[: self._simulation.rng.randint(0, len(changelog))]
        for partition, versions in changelog:
            if partition in partitions:
                self._data.update(versions)


class Producer:
    """A worker's producer: what is sent at one moment to one topic arrives in order, or fails as a whole."""

    def __init__(self, simulation: Simulation, broker: Broker) -> None:
        self._simulation = simulation
        self._broker = broker
        #: Of the last sends to a topic: when they were made, whether they arrive, whether the answer does.
        self._last: dict[str, tuple[float, bool, bool]] = {}
        self._arrival = 0.0

    async def park(
        self, tp: TP, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> Record:
        """Park a record. Raises KafkaError."""
        parked = Record(tp.topic, tp.partition, 0, key, value, tuple(headers))
        record: Record = await self.store(tp.topic, "parked", lambda: self._broker.park(parked))
        return record

    async def store(self, topic: str, kind: str, work: Callable[[], Any]) -> Any:
        """The result of `work`, done by the broker. Raises KafkaError."""
        loop, chance = self._simulation.loop, self._simulation.chances.storing
        if topic not in self._last or self._last[topic][0] < loop.time():
            self._last[topic] = loop.time(), not self._simulation.happens(chance), not self._simulation.happens(chance)
        _, arrives, answered = self._last[topic]
        if not arrives:
            self._simulation.note(f"{kind}_not_stored")
            raise KafkaConnectionError("the broker is away")
        self._arrival = max(self._arrival, loop.time() + self._broker.delay())
        result = await self._broker.call(work, self._arrival - loop.time())
        if not answered:
            self._simulation.note(f"{kind}_stored_unanswered")
            raise KafkaConnectionError("the answer was lost")
        return result


class DeadLetters:
    """The dead-letter topic as a worker sees it."""

    def __init__(self, producer: Producer, broker: Broker) -> None:
        self._producer = producer
        self._broker = broker

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        sent = list(letters)
        try:
            await self._producer.store(
                DEAD_LETTERS.name, "dead_letters", lambda: self._broker.dead_letters.extend(sent)
            )
        except KafkaConnectionError as error:
            raise ConnectionError(str(error)) from error
