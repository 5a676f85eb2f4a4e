"""Rows of both logs, written past the publisher and the consumers; and commands that are run in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.tracking import resend_commands
from streams_app.systems.tracking.commands import tracking_group
from streams_app.systems.tracking.ports import OutgoingRecord, Placed, Refused

PRODUCTION: dict[str, Any] = {
    "service_name": "orders",
    "topic": "orders",
    "event_key": "k",
    "event_type": "made",
    "payload": '{"amount": 1.10}',
    "status": "PENDING",
    "retry_count": 0,
    "error_message": None,
    "correlation_id": None,
    "partition_number": None,
    "offset": None,
    "shard": 0,
}
CONSUMPTION: dict[str, Any] = {
    "service_name": "payments",
    "topic": "orders",
    "event_key": "k",
    "event_type": "made",
    "payload": '{"amount": 1.10}',
    "status": "RECEIVED",
    "retry_count": 0,
    "error_message": None,
    "error_stack_trace": None,
    "correlation_id": None,
    "partition_number": 0,
    "offset": 0,
    "consumer_group": "payments",
    "processing_time_ms": None,
    "metadata": None,
}


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def insert(databases: Databases, region: str, log: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in ("region", *row))
    values = ", ".join(f"%({name})s" for name in ("region", *row))
    async with databases.connection(region) as connection:
        await connection.execute(f"INSERT INTO {log} ({names}) VALUES ({values})".encode(), {"region": region, **row})


async def produce(databases: Databases, region: str, event_id: str, since: float = 10, **cells: Any) -> None:
    """An event on its way out, made `since` seconds ago; PUBLISHED ones reached their topic `took` seconds later."""
    took = cells.pop("took", 0.1)
    row = PRODUCTION | {"event_id": event_id, "created_at": ago(since)} | cells
    if row["status"] == "PUBLISHED":
        row = {"partition_number": 0} | row | {"published_at": row["created_at"] + timedelta(seconds=took)}
        row["partition_number"], row["offset"] = row["partition_number"] or 0, row["offset"] or 0
    await insert(databases, region, "event_production_log", row)


async def consume(databases: Databases, region: str, event_id: str, since: float = 9, **cells: Any) -> None:
    """An event on its way in, received `since` seconds ago; PROCESSED ones `took` seconds later."""
    took = cells.pop("took", 0.05)
    received = ago(since)
    row = CONSUMPTION | {"event_id": event_id, "created_at": received, "received_at": received} | cells
    if row["status"] == "PROCESSED":
        row |= {"processed_at": received + timedelta(seconds=took), "processing_time_ms": round(took * 1000)}
    await insert(databases, region, "event_consumption_log", row)


async def clear(databases: Databases, settings: Settings, stack: Stack) -> None:
    """Empty both logs."""
    from tests.fix_stack import administrator

    for region in settings.regions.values():
        with administrator(settings, stack, region.server, databases.settings.name) as connection:
            # TRUNCATE would take longer: there is a file for each day and index.
            connection.execute("DELETE FROM event_production_log")
            connection.execute("DELETE FROM event_consumption_log")


class Commands:
    """`tracking …` on the fresh databases of a test."""

    def __init__(self, settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMS_CONFIG", str(stack.config_path))
        monkeypatch.setenv("STREAMS_DATABASE__NAME", settings.database.name)

    async def run(self, *words: str, status: int | None = 0, answer: str | None = None) -> str:
        """What the command prints; `answer` is what is typed. `status` None: any exit status is fine."""

        def call() -> Result:
            return CliRunner().invoke(tracking_group, words, input=answer)

        result = await asyncio.to_thread(call)
        assert status is None or result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result.output

    async def json(self, *words: str, status: int | None = 0) -> Any:
        return json.loads(await self.run(*words, "--json", status=status))


class FakeSender:
    """Takes every record, but for those of `refused`."""

    def __init__(self) -> None:
        self.sent: list[OutgoingRecord] = []
        self.refused: dict[bytes, Refused] = {}

    async def send(self, events: Sequence[OutgoingRecord]) -> Sequence[Placed | Refused]:
        answers: list[Placed | Refused] = []
        for event in events:
            refusal = self.refused.get(event.key or b"")
            if refusal is None:
                self.sent.append(event)
            answers.append(refusal or Placed(0, len(self.sent)))
        return answers

    @property
    def ids(self) -> list[str]:
        return [(dict(record.headers)["event_id"] or b"").decode() for record in self.sent]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @asynccontextmanager
        async def opened(_: Settings):  # type: ignore[no-untyped-def]
            yield self

        monkeypatch.setattr(resend_commands, "sender_factory", opened)
