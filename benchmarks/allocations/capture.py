"""Trade capture: how fast a worker takes executions from a filled topic, beside set-based inserts of the same rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer

from streams_app.commands.simulating import OUTSIDE
from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.databases.domains import domain_databases
from streams_app.databases.transactions import in_transaction
from streams_app.kafka.admin import bootstrap_servers
from streams_app.settings import Settings
from streams_app.systems.allocations import loading
from streams_app.systems.allocations.crew import Crew
from streams_app.systems.allocations.messages import EXECUTIONS
from streams_app.systems.allocations.model import named
from streams_app.systems.allocations.progress import Reader
from streams_app.systems.allocations.scenario import Way

SQL = Statements(Path(__file__).with_name("capture.sql"))
BLOCKS: Final = 200
PARTS: Final = 16
SHARES: Final = 16
_BATCH: Final = 2000
# Seconds without progress after which something is wrong.
_PATIENCE: Final = 60.0
# Seconds between looks at what is captured.
_LOOK: Final = 0.05
_START: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One execution."""

    block_order_id: UUID
    seq: int
    at: datetime

    @property
    def execution_id(self) -> UUID:
        """Its identity."""
        return named("execution", self.block_order_id, self.seq)

    def message(self) -> bytes:
        """As Debezium writes it."""
        after = {
            "block_order_id": str(self.block_order_id),
            "seq": self.seq,
            "execution_id": str(self.execution_id),
            "kind": "FILL",
            "ref_seq": None,
            "quantity": SHARES,
            "price": "100.0000",
            "executed_at": self.at.isoformat(),
        }
        source = {"db": "trades", "schema": "trades", "table": "execution", "lsn": 1, "ts_ms": 1}
        return orjson.dumps({"before": None, "after": after, "source": source, "op": "c", "ts_ms": 1})


def blocks() -> list[UUID]:
    """The block orders."""
    return [named("bench", number) for number in range(BLOCKS)]


def rows(total: int) -> Iterator[Row]:
    """So many executions, those of a block order in their sequence, all block orders beside each other."""
    for number in range(total):
        seq, block = divmod(number, BLOCKS)
        yield Row(named("bench", block), seq + 1, _START + timedelta(milliseconds=number))


async def limit(settings: Settings, total: int) -> float:
    """Executions a second that set-based statements write, on as many connections as a worker has lanes."""
    async with _opened(settings, total) as databases:
        work = iter(rows(total))
        began = time.monotonic()
        # One after another per connection, as a worker does it with its lanes.
        await asyncio.gather(*(_insert_all(databases, work) for _ in range(settings.lanes)))
        return total / (time.monotonic() - began)


async def sustained(way: Way, total: int, folder: Path) -> float:
    """Executions a second that a worker captures from a topic that holds them all."""
    app_id = f"bench-capture-{time.time_ns()}"
    settings = way.applied(app_id)
    async with _opened(settings, total):
        await OUTSIDE.renew_topics(settings)
        await _fill_topic(settings, total)
        async with Crew(1, way.variables(app_id), folder):
            return await asyncio.to_thread(_watch, settings, total)


def _watch(settings: Settings, total: int) -> float:
    """From the first that are captured to the last. Raises TimeoutError."""
    reader = Reader(settings)
    first, seen, began, moved = 0, 0, 0.0, time.monotonic()
    try:
        while seen < total:
            time.sleep(_LOOK)
            now, at = reader.progress().captured, time.monotonic()
            if now > seen:
                first, began = (first, began) if first else (now, at)
                seen, moved = now, at
            elif at - moved > _PATIENCE:
                raise TimeoutError(f"{seen:,} of {total:,} executions were captured, and then no more")
    finally:
        reader.close()
    if first == seen:
        # All were there at the first look.
        return total / _LOOK
    return (total - first) / (moved - began)


@asynccontextmanager
async def _opened(settings: Settings, total: int) -> AsyncIterator[Databases]:
    """The databases, with nothing but open block orders."""
    await asyncio.to_thread(loading.reset, settings)
    # Room for all shares, so that no block order is executed to its end.
    quantity = PARTS * SHARES * (total // BLOCKS + 1)
    arguments = {"ids": blocks(), "rebalance_id": named("bench"), "quantity": quantity, "parts": PARTS}
    async with domain_databases(settings) as databases:
        async with databases.transaction("orders") as connection:
            await connection.execute(SQL["place"], arguments)
        async with databases.transaction("allocations") as connection:
            await connection.execute(SQL["open"], arguments)
            await connection.execute(SQL["open_parts"], arguments)
        yield databases


async def _fill_topic(settings: Settings, total: int) -> None:
    servers = bootstrap_servers(settings.broker_url)
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=20) as producer:
        for row in rows(total):
            await producer.send(EXECUTIONS, row.message(), str(row.block_order_id).encode())
        await producer.flush()


async def _insert_all(databases: Databases, work: Iterator[Row]) -> None:
    while batch := list(islice(work, _BATCH)):
        arguments = _arguments(batch)

        async def write(connection: Connection, arguments: dict[str, Any] = arguments) -> None:
            async with connection.pipeline():
                await connection.execute(SQL["insert"], arguments)
                await connection.execute(SQL["advance"], arguments)

        await in_transaction(databases, "allocations", write)


def _arguments(batch: Sequence[Row]) -> dict[str, Any]:
    by_block = [(block, list(found)) for block, found in groupby(sorted(_keys(batch)), itemgetter(0))]
    return {
        "ids": texts([str(row.block_order_id) for row in batch]),
        "seqs": numbers(row.seq for row in batch),
        "execution_ids": texts([str(row.execution_id) for row in batch]),
        "kinds": texts(["FILL"] * len(batch)),
        "quantities": numbers([SHARES] * len(batch)),
        "prices": texts(["100.0000"] * len(batch)),
        "times": texts([row.at.isoformat() for row in batch]),
        "block_ids": texts([block for block, _ in by_block]),
        "last_seqs": numbers(found[-1][1] for _, found in by_block),
        "sums": numbers(SHARES * len(found) for _, found in by_block),
    }


def _keys(batch: Sequence[Row]) -> list[tuple[str, int]]:
    return [(str(row.block_order_id), row.seq) for row in batch]
