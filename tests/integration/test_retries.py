"""What becomes of a transaction whose commit fails, in every way it can."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from streams_app import metrics
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.settings import Settings
from tests.integration.sql_proxy import FAULTS, Fault, Plan, behind_proxy

pytestmark = pytest.mark.stack

REGION = "us-east"


@pytest.fixture
def plan() -> Plan:
    """What the proxy will do."""
    return Plan()


@pytest.fixture
def proxied(fresh_settings: Settings, plan: Plan) -> Iterator[Settings]:
    """Settings that reach one region through the proxy."""
    with behind_proxy(fresh_settings, REGION, plan) as settings:
        yield settings


class Counting:
    """Appends a row at each attempt; the row's id says which attempt it was."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.request_id = uuid4()
        self.attempts = 0

    async def work(self, connection: Connection) -> str:
        """One attempt."""
        self.attempts += 1
        await connection.execute(
            "INSERT INTO request_signal (locality, request_id, signal_id, kind, actor) "
            "VALUES (0, %s, %s, 'approve', %s)",
            (self.request_id, uuid4(), f"attempt {self.attempts}"),
        )
        return f"attempt {self.attempts}"

    async def read_back(self) -> str | None:
        """What is there."""
        rows = await self.rows()
        return rows[0] if rows else None

    async def rows(self) -> list[str]:
        """The attempts that were committed."""
        async with self._databases.connection(REGION) as connection:
            query = "SELECT actor FROM request_signal WHERE request_id = %s ORDER BY actor"
            return [row[0] for row in await (await connection.execute(query, (self.request_id,))).fetchall()]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_the_work_is_done_once_whatever_the_commit_meets(proxied: Settings, plan: Plan, fault: Fault) -> None:
    async with Databases(proxied) as databases:
        counting = Counting(databases)
        plan.faults = [fault]
        result = await in_transaction(databases, REGION, counting.work, counting.read_back)
        assert await counting.rows() == [result]
        assert counting.attempts == (1 if fault.committed else 2)
        assert not plan.faults


async def test_a_row_of_failures_is_outlived(proxied: Settings, plan: Plan) -> None:
    async with Databases(proxied) as databases:
        counting = Counting(databases)
        plan.faults = [fault for fault in FAULTS if not fault.committed] * 3
        attempts = len(plan.faults) + 1
        await in_transaction(databases, REGION, counting.work, counting.read_back)
        assert await counting.rows() == [f"attempt {attempts}"]


async def test_it_gives_up_when_its_time_is_over(proxied: Settings, plan: Plan) -> None:
    short = proxied.model_copy(update={"database": proxied.database.model_copy(update={"retry_timeout": 0.3})})
    async with Databases(short) as databases:
        counting = Counting(databases)
        plan.faults = [FAULTS[0]] * 1000
        with pytest.raises(psycopg.errors.SerializationFailure):
            await in_transaction(databases, REGION, counting.work, counting.read_back)
        assert await counting.rows() == []
        assert counting.attempts > 2


async def test_what_the_work_itself_did_wrong_is_not_tried_again(proxied: Settings) -> None:
    async with Databases(proxied) as databases:
        attempts = 0

        async def work(connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            await connection.execute("SELECT 1/0")

        with pytest.raises(psycopg.errors.DivisionByZero):
            await in_transaction(databases, REGION, work)
        assert attempts == 1


async def test_a_connection_that_dies_before_the_commit_costs_one_attempt(fresh_settings: Settings) -> None:
    async with Databases(fresh_settings) as databases:
        counting = Counting(databases)

        async def work(connection: Connection) -> str:
            done = await counting.work(connection)
            if counting.attempts == 1:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return done

        assert await in_transaction(databases, REGION, work) == "attempt 2"
        assert await counting.rows() == ["attempt 2"]


async def test_real_serialization_failures_under_contention(fresh_settings: Settings) -> None:
    """SERIALIZABLE, everybody reads what everybody else writes: the server itself asks for another try."""
    database = fresh_settings.database.model_copy(update={"isolation": "serializable", "retry_timeout": 30})
    async with Databases(fresh_settings.model_copy(update={"database": database})) as databases:
        request_id, before = uuid4(), conflicts()

        async def add(connection: Connection) -> None:
            query = "SELECT count(*) FROM request_signal WHERE locality = 1 AND request_id = %s"
            [(count,)] = await (await connection.execute(query, (request_id,))).fetchall()
            await asyncio.sleep(0.01)
            await connection.execute(
                "INSERT INTO request_signal (locality, request_id, signal_id, kind, actor) "
                "VALUES (1, %s, gen_random_uuid(), 'approve', %s)",
                (request_id, str(count)),
            )

        await asyncio.gather(*(in_transaction(databases, REGION, add) for _ in range(24)))
        async with databases.connection(REGION) as connection:
            query = "SELECT actor::int FROM request_signal WHERE locality = 1 AND request_id = %s ORDER BY 1"
            rows = await (await connection.execute(query, (request_id,))).fetchall()
    # As if one had come after the other: each saw all that came before it.
    assert [row[0] for row in rows] == list(range(24))
    assert conflicts() > before


def conflicts() -> float:
    return metrics.RETRIES.labels(REGION, "serialization")._value.get()  # type: ignore[no-any-return]
