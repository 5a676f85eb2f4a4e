"""Many batches over the same few heads: one of them moves each head, and none waits for another in a circle."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid4

import pytest

from streams_app.databases import Databases
from streams_app.systems.requests.store import SQL

pytestmark = pytest.mark.stack

REGION, LOCALITY = "us-east", 3
HEADS, WRITERS, ROUNDS = 4_000, 6, 5


async def test_overlapping_batches_move_each_head_once_and_never_deadlock(fresh_databases: Databases) -> None:
    ids = [uuid4() for _ in range(HEADS)]
    arguments = {
        "localities": [LOCALITY] * HEADS,
        "request_ids": ids,
        "link_ids": [2001] * HEADS,
        "status_ids": [2] * HEADS,
        "event_times": [datetime.now(UTC)] * HEADS,
    }
    async with fresh_databases.transaction(REGION) as connection:
        await connection.execute(SQL["insert_heads"], arguments)
    moved: list[UUID] = []

    async def write(writer: int) -> None:
        rng = Random(writer)
        for number in range(1, ROUNDS + 1):
            order = rng.sample(ids, HEADS)
            steps = arguments | {"request_ids": order, "expected_seqs": [number] * HEADS}
            async with fresh_databases.transaction(REGION) as connection:
                # A deadlock is an error here: nobody makes the transaction again.
                cursor = await connection.execute(SQL["move_heads"], steps)
                moved.extend(row[0] for row in await cursor.fetchall())

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    assert sorted(moved) == sorted(ids * ROUNDS)
    async with fresh_databases.connection(REGION) as connection:
        query = "SELECT DISTINCT seq_num FROM request_status_head WHERE request_id = ANY(%s)"
        assert await (await connection.execute(query, (ids,))).fetchall() == [(ROUNDS + 1,)]
