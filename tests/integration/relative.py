"""A model of the nearest public design: a production row in a transaction of its own, then the send; a consumer that
looks, writes a row under UNIQUE (event_id), works and says so, each in a transaction of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams_app.changefeed import Record
from tests.integration.events import REGION
from tests.integration.faulty import Agent, Design, Trouble

TABLES = """
    CREATE TABLE faults.produced (
        id int8 GENERATED ALWAYS AS IDENTITY, topic text, event_id text UNIQUE, payload text, status text,
        retry_count int4 DEFAULT 0
    );
    CREATE TABLE faults.consumed (
        id int8 GENERATED ALWAYS AS IDENTITY, topic text, place int8, consumer text, event_id text UNIQUE, status text,
        retry_count int4 DEFAULT 0
    );
    GRANT SELECT, INSERT, UPDATE ON faults.produced, faults.consumed TO streams_app;
"""
MAX_RETRIES = 3
# How often the listener hands over a record that raised, before it goes on to the next.
DELIVERIES = 3
Failed = dict[str, tuple[Agent, str, Record]]


class Relative(Design):
    """The model, on one topic."""

    producer: AIOKafkaProducer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._failed: Failed = {}

    async def operate(self, key: str = "k", trouble: Trouble | None = None, gate: asyncio.Event | None = None) -> None:
        """The operation, then its event: a call that a service may as well make before its commit."""
        async with self.databases.transaction(REGION) as connection:
            seq = await self.fact(connection, key)
            if trouble is Trouble.UNDONE:
                await self._publish(key, seq, None)
                raise psycopg.Rollback
        if trouble is Trouble.UNDONE:
            return
        if trouble is Trouble.KILLED_AFTER_COMMIT:
            raise asyncio.CancelledError
        if gate is not None:
            await gate.wait()
        await self._publish(key, seq, trouble)

    async def _publish(self, key: str, seq: int, trouble: Trouble | None) -> None:
        event_id, payload = f"{self.world}-{key}-{seq}", orjson.dumps({"key": key, "seq": seq})
        await self.write(
            "INSERT INTO faults.produced (topic, event_id, payload, status) VALUES (%s, %s, %s, 'PENDING')",
            *(self.topic, event_id, payload.decode()),
        )
        if trouble is Trouble.KILLED_BEFORE_SEND:
            raise asyncio.CancelledError
        await self._send(event_id, payload, refused=trouble is Trouble.REFUSED)

    async def _send(self, event_id: str, payload: bytes, *, refused: bool = False) -> None:
        try:
            if refused:
                raise KafkaError("not now")
            # The id is the record's key, as in the source document.
            headers = [("event_id", event_id.encode())]
            await self.producer.send_and_wait(self.topic, payload, event_id.encode(), headers=headers)
        except KafkaError:
            await self.write(
                "UPDATE faults.produced SET status = 'FAILED', retry_count = retry_count + 1 WHERE event_id = %s",
                event_id,
            )
        else:
            await self.write("UPDATE faults.produced SET status = 'PUBLISHED' WHERE event_id = %s", event_id)

    async def carry(self) -> None:
        """The job that sends again what FAILED."""
        failed = "SELECT event_id, payload FROM faults.produced WHERE topic = %s AND status = 'FAILED'"
        for event_id, payload in await self.rows(f"{failed} AND retry_count < %s", self.topic, MAX_RETRIES):
            await self._send(event_id, payload.encode())

    async def consume(self, agent: Agent, group: str, records: Sequence[Record], race: asyncio.Barrier | None) -> None:
        """The listener: a record that raises is handed over again a few times, then comes the next."""
        for record in records:
            for delivery in range(DELIVERIES):
                try:
                    await self._handle(agent, group, record, race if delivery == 0 else None)
                    break
                except psycopg.errors.UniqueViolation:
                    self.raised.add((record.partition, record.offset))

    async def _handle(self, agent: Agent, group: str, record: Record, race: asyncio.Barrier | None) -> None:
        try:
            data = orjson.loads(record.value or b"")
        except orjson.JSONDecodeError:
            return  # a line in the log, and on
        header = dict(record.headers or ()).get("event_id")
        event_id = header.decode() if header else str(uuid.uuid4())
        if await self.rows("SELECT 1 FROM faults.consumed WHERE event_id = %s AND status = 'PROCESSED'", event_id):
            return
        if race is not None:
            await race.wait()
        await self.write(
            "INSERT INTO faults.consumed (topic, place, consumer, event_id, status)"
            " VALUES (%s, %s, %s, %s, 'RECEIVED')",
            *(self.topic, record.offset, group, event_id),
        )
        try:
            await self._become(event_id, "PROCESSING")
            async with self.databases.transaction(REGION) as connection:
                await agent.effect(connection, data["key"], data["seq"])
            agent.after(data["seq"])
            await self._become(event_id, "PROCESSED")
        except ValueError:
            self._failed[event_id] = (agent, group, record)
            await self._become(event_id, "FAILED")

    async def _become(self, event_id: str, status: str) -> None:
        await self.write("UPDATE faults.consumed SET status = %s WHERE event_id = %s", status, event_id)

    async def retry(self) -> None:
        """The job that hands FAILED events to the consumer again."""
        failed, self._failed = self._failed, {}
        for agent, group, record in failed.values():
            await self.consume(agent, group, [record], None)

    async def mend(self, originals: Sequence[Record]) -> None:
        """Nothing was kept."""

    async def open_rows(self) -> int:
        """Rows of both tables that never got to their end."""
        [[count]] = await self.rows(
            "SELECT (SELECT count(*) FROM faults.produced WHERE topic = %s AND status <> 'PUBLISHED')"
            " + (SELECT count(*) FROM faults.consumed WHERE topic = %s AND status <> 'PROCESSED')",
            *(self.topic, self.topic),
        )
        return int(count)

    async def write(self, sql: str, *arguments: Any) -> None:
        """A statement in a transaction of its own."""
        async with self.databases.transaction(REGION) as connection:
            await connection.execute(sql.encode(), arguments)
