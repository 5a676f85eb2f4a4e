"""The same agent with and without tracking, in two lanes as in a worker, with records from memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import orjson
from faust.types import TP

from benchmarks.tracking.place import PARTITIONS, REGION, SQL, Place, event_of
from streams_app.changefeed import Change, Record, RecordLike
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.fences import Fence
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetter, Handler, Outcome
from streams_app.kafka.lanes import Lane
from streams_app.systems.tracking.consumer import EventChange, TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming

#: What is written of each event; `untracked` is the agent alone.
LEVELS = ("untracked", "off", "outcome", "full")
TOPIC = "benchmark.consumed"
LANES = 2


class Letters:
    """Nothing should come here."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Raises RuntimeError."""
        raise RuntimeError(f"a dead letter: {letters[0].reason} {letters[0].detail}")


class Untracked:
    """The agent alone: no event is remembered, so a repetition would count twice."""

    system = "benchmark"
    history = None

    def __init__(self, tracked: TrackedConsumer, databases: Databases) -> None:
        self._tracked = tracked
        self._databases = databases

    def decode(self, record: RecordLike) -> Change:
        """As the tracked one does it."""
        return self._tracked.decode(record)

    def route(self, change: Change) -> str:
        """One region."""
        return REGION

    def ended(self, change: Change) -> bool:
        """Never."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """The agent's work in a transaction of its own."""
        events = [change.event for change in changes if isinstance(change, EventChange)]

        async def apply(connection: Connection) -> None:
            await work(connection, route, events)

        await in_transaction(self._databases, route, apply)
        return Outcome()


async def work(connection: Connection, region: str, events: Sequence[Incoming]) -> None:
    """A row of the agent's log for each event, and the head of each key."""
    arguments = {
        "event_ids": [event.event_id for event in events],
        "keys": [event.key for event in events],
        "numbers": [event.data["number"] for event in events],
        "amounts": [event.data["amount"] for event in events],
    }
    await connection.execute(SQL["effects"], arguments)


def records(count: int) -> list[Record]:
    """The work: events as the relay publishes them."""
    made = []
    for number in range(count):
        event = event_of(TOPIC, number)
        headers = (
            ("event_id", event.event_id.encode()),
            ("event_type", event.event_type.encode()),
            ("service", b"benchmark"),
            ("correlation_id", (event.correlation_id or "").encode()),
        )
        made.append(
            Record(TOPIC, number % PARTITIONS, number, (event.key or "").encode(), orjson.dumps(event.payload), headers)
        )
    return made


class Flow:
    """All records are there: nothing needs to be held back."""

    fence = Fence("benchmark", 0)

    def pause_partitions(self, tps: set[TP]) -> None:
        """Nothing to do."""

    def resume_partitions(self, tps: set[TP]) -> None:
        """Nothing to do."""


async def _through_lanes(handler: Handler, made: Sequence[Record], batch: int) -> None:
    """As in a worker: two lanes share the partitions, and each decodes its next batch while one is in flight."""
    flow = Flow()
    lanes = [
        Lane(
            "benchmark",
            frozenset({TOPIC}),
            BatchProcessor(handler, NoVersions(), Letters()),
            batch_size=batch,
            buffer_records=len(made),
            drain_timeout=1.0,
            share=(number, LANES),
        )
        for number in range(LANES)
    ]
    ends: dict[TP, int] = {}
    for lane in lanes:
        for partition in range(PARTITIONS):
            tp = TP(TOPIC, partition)
            if lane.takes(tp):
                of_partition = [record for record in made if record.partition == partition]
                lane.offer(tp, of_partition, flow)
                ends[tp] = of_partition[-1].offset + 1
    running = [asyncio.create_task(lane.run(flow)) for lane in lanes]
    while any(lane.done(tp) != end for tp, end in ends.items() for lane in lanes if lane.takes(tp)):
        done, _ = await asyncio.wait(running, timeout=0.002, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def measure(place: Place, level: str, made: Sequence[Record], batch: int) -> float:
    """Events a second with what `level` writes down. Raises RuntimeError when an effect is missing or there twice."""
    place.execute("empty", "empty_effects", "settle")
    tracking = place.settings.tracking.model_copy(update={"consumption": "off" if level == "untracked" else level})
    settings = place.settings.model_copy(update={"tracking": tracking})
    async with place.databases() as databases:
        consumer = TrackedConsumer("benchmark", "benchmark", databases, lambda event: REGION, work, settings)
        handler = Untracked(consumer, databases) if level == "untracked" else consumer
        began = time.perf_counter()
        await _through_lanes(handler, made, batch)
        seconds = time.perf_counter() - began
    if (found := place.execute("processed")) != [(len(made), len(made))]:
        raise RuntimeError(f"effects: {found} of {len(made)}")
    return len(made) / seconds
