"""Our design of tracked events, to meet the same faults as its nearest relative: the application's own parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from streams_app.changefeed import Record
from streams_app.databases.connecting import Connection
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import Event, NoVersions
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from streams_app.systems.tracking.ports import EventSender, OutgoingRecord, Placed, Refused
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.tracking.relay import Relay
from tests.integration.events import REGION, Letters
from tests.integration.faulty import Agent, Design, Trouble

OPEN = """
    SELECT (SELECT count(*) FROM event_production_log WHERE topic = %s AND status <> 'PUBLISHED')
           + (SELECT count(*) FROM event_consumption_log WHERE topic = %s AND status <> 'PROCESSED')
"""
UNPUBLISHED = "SELECT count(*) FROM event_production_log WHERE topic = %s AND status <> 'PUBLISHED'"
CARRY_SECONDS = 20


class Refusing:
    """A sender that refuses single events, once, and with them the later ones of their keys."""

    def __init__(self, sender: EventSender) -> None:
        self._sender = sender
        self.once: set[bytes] = set()

    async def send(self, events: Sequence[OutgoingRecord]) -> Sequence[Placed | Refused]:
        refused: set[bytes | None] = set()
        answers: dict[int, Refused | Placed] = {}
        for place, event in enumerate(events):
            name = dict(event.headers)["event_id"] or b""
            if name in self.once:
                self.once.remove(name)
                refused.add(event.key)
                answers[place] = Refused("not now", permanent=True)
            elif event.key in refused:
                answers[place] = Refused("an earlier event of its key was refused", permanent=False)
        sent = [place for place in range(len(events)) if place not in answers]
        placed = await self._sender.send([events[place] for place in sent])
        answers |= dict(zip(sent, placed, strict=True))
        return [answers[place] for place in range(len(events))]


class Tracked(Design):
    """Publisher, relay and consumer, on one topic."""

    relay: Relay
    sender: Refusing

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._letters = Letters()
        self._agents: dict[str, Agent] = {}

    async def operate(self, key: str = "k", trouble: Trouble | None = None, gate: asyncio.Event | None = None) -> None:
        """The operation and its event in one transaction, so that nothing can come between them."""
        async with self.databases.transaction(REGION) as connection:
            seq = await self.fact(connection, key)
            name = f"{self.world}-{key}-{seq}"
            if trouble is Trouble.REFUSED:
                self.sender.once.add(name.encode())
            event = Event(self.topic, "MADE", name, {"key": key, "seq": seq}, key)
            await TrackedPublisher("faults", self.settings).publish(REGION, [event], connection)
            if gate is not None:
                await gate.wait()
            if trouble is Trouble.UNDONE:
                raise psycopg.Rollback
        if trouble in (Trouble.KILLED_AFTER_COMMIT, Trouble.KILLED_BEFORE_SEND):
            raise asyncio.CancelledError

    async def carry(self) -> None:
        """The relay, until all that is committed is on the topic."""
        deadline = time.monotonic() + CARRY_SECONDS
        while (await self.rows(UNPUBLISHED, self.topic))[0][0]:
            assert time.monotonic() < deadline
            if not await self.relay.round():
                await asyncio.sleep(0.02)

    async def consume(self, agent: Agent, group: str, records: Sequence[Record], race: asyncio.Barrier | None) -> None:
        """A processor of the group takes all records as one batch."""

        async def work(connection: Connection, region: str, events: Sequence[Incoming]) -> None:
            for event in events:
                await agent.effect(connection, event.data["key"], event.data["seq"])
                agent.after(event.data["seq"])

        if race is not None:
            await race.wait()
        self._agents[group] = agent
        consumer = TrackedConsumer("faults", group, self.databases, lambda event: REGION, work, self.settings)
        processor = BatchProcessor(consumer, NoVersions(), self._letters)
        try:
            await processor.process(processor.decode(records))
        except Exception:
            self.raised |= {(record.partition, record.offset) for record in records}
            raise

    async def retry(self) -> None:
        """Nothing: the consumer has tried again in its place."""

    async def mend(self, originals: Sequence[Record]) -> None:
        """The dead letters, with the bytes that they should have had."""
        values = {(record.partition, record.offset): record.value for record in originals}
        letters, self._letters.sent = self._letters.sent, []
        for record in (letter.record for letter in letters):
            headers = tuple(record.headers or ())
            bad = Record(record.topic, record.partition, record.offset, record.key, record.value, headers)
            mended = replace(bad, value=values[record.partition, record.offset])
            for group, agent in self._agents.items():
                await self.consume(agent, group, [mended], None)

    async def open_rows(self) -> int:
        """Rows of both logs that never got to their end."""
        return int((await self.rows(OPEN, self.topic, self.topic))[0][0])
