"""The changefeeds of one region: every commit reaches its topic at least once, in the order the source promises.

Debezium sends in commit order and, after a restart, the last changes again. CockroachDB with `unordered` sends in any
order, and repeats whatever it has sent before. Both may send all history again, at new offsets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streams_app.topics import NEW_REQUESTS
from tests.simulation import envelopes
from tests.simulation.base import Simulation
from tests.simulation.databases import Committed, Database
from tests.simulation.kafka import Broker
from tests.simulation.loop import Process

# So many changes may overtake each other in an unordered feed.
WINDOW = 6


class Feed:
    """Reads one database's log of commits."""

    def __init__(self, simulation: Simulation, database: Database, broker: Broker) -> None:
        self.process = Process(f"feed-{database.region}")
        self._simulation = simulation
        self._database = database
        self._broker = broker
        self._unsent: list[Committed] = []
        self._sent: list[Committed] = []
        self._read = 0
        self._wake = asyncio.Event()
        database.on_commit.append(self._wake.set)

    @property
    def idle(self) -> bool:
        """Whether everything committed has been sent."""
        return self._read == len(self._database.log) and not self._unsent

    async def run(self) -> None:
        """Send changes, for ever."""
        simulation, database, chances = self._simulation, self._database, self._simulation.chances
        while True:
            if not database.is_up.is_set() or self.idle:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._unsent += database.log[self._read :]
            self._read = len(database.log)
            await asyncio.sleep(0.05 * simulation.rng.random())
            change = self._next()
            self._send(change)
            if simulation.happens(chances.repeat):
                again = simulation.rng.choice(self._sent) if chances.cockroachdb else change
                simulation.loop.call_later(3 * simulation.rng.random(), self._repeat, again)
            if simulation.happens(chances.restart):
                self._restart()

    def _next(self) -> Committed:
        if not self._simulation.chances.cockroachdb:
            return self._unsent.pop(0)
        index = self._simulation.rng.randrange(min(WINDOW, len(self._unsent)))
        if index:
            self._simulation.note("reordered", self._database.region)
        return self._unsent.pop(index)

    def _send(self, change: Committed) -> None:
        self._sent.append(change)
        self._put(change)

    def _repeat(self, change: Committed) -> None:
        self._simulation.note("repeated")
        # Debezium repeats in order, so all that came after the change follows it once more.
        changes = [change] if self._simulation.chances.cockroachdb else self._sent[self._sent.index(change) :]
        for each in changes:
            self._put(each)

    def _restart(self) -> None:
        self._simulation.note("feed_restarts", self._database.region)
        for change in self._sent[-self._simulation.rng.randint(1, 5) :]:
            self._put(change)

    def send_history(self) -> None:
        """Send all that was ever sent again: a new changefeed, or a replication slot that was lost."""
        self._simulation.note("histories", self._database.region)
        changes = list(self._sent)
        if self._simulation.chances.cockroachdb:
            self._simulation.rng.shuffle(changes)
        for change in changes:
            self._put(change)

    def _put(self, change: Committed) -> None:
        topic = envelopes.TOPIC_OF[change.table]
        partition, key, value = self._envelope(topic)(change, self._broker.partitions)
        record = self._broker.append(topic, partition, key, value, change)
        self._simulation.note("sent", f"{topic}/{partition}@{record.offset}: {change.key.request_id}")
        if self._simulation.chances.cockroachdb and self._simulation.rng.random() < 0.03:
            self._broker.append(topic, partition, None, envelopes.resolved(change), None)

    def _envelope(self, topic: str) -> Callable[[Committed, int], envelopes.Message]:
        chances = self._simulation.chances
        if not chances.cockroachdb:
            return envelopes.debezium
        return (
            envelopes.cockroachdb_key_only if chances.key_only and topic == NEW_REQUESTS.name else envelopes.cockroachdb
        )
