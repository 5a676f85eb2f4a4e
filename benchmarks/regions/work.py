"""The work of all experiments: requests that take a step, read, guarded and written by the application's own store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection, configure, connect_arguments
from streams_app.settings import DatabaseSettings, Settings
from streams_app.systems.requests.model import Context, Decision, Head, Status, Transition
from streams_app.systems.requests.store import RequestKey, Store

SQL: Final = Statements(Path(__file__).with_name("work.sql"))
TYPE: Final = 2
# A request goes to and fro between two links: a workflow that ends would run out of steps in the middle of a run.
LINKS: Final = (2002, 2003)


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a batch: steps made, decisions refused by the guard, rounds of load, decide and apply."""

    steps: int
    refused: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What a run left: requests with a broken log, heads that are not the last event, steps in all."""

    broken_logs: int
    wrong_heads: int
    steps: int

    def violations(self, counted: int) -> int:
        """Requests that are wrong, and steps too few or too many against those that were counted."""
        return self.broken_logs + self.wrong_heads + abs(self.steps - counted)


def fill(connection: psycopg.Connection[Any], localities: tuple[int, int], requests: int) -> list[RequestKey]:
    """Replace what is there by so many requests, each with its first event; every run begins with the same debts."""
    first, last = localities
    arguments = {"first": first, "last": last, "requests": requests, "type": TYPE, "link": LINKS[1]}
    connection.execute(SQL["empty"])
    connection.execute(SQL["fill"], arguments)
    connection.execute(b"VACUUM (ANALYZE) request_info, request_event_log, request_status_head")
    return [RequestKey(*row) for row in connection.execute(SQL["keys"]).fetchall()]


def prove(connection: psycopg.Connection[Any]) -> Proof:
    """Read what a run left."""
    row = connection.execute(SQL["wrong"]).fetchone()
    assert row is not None
    return Proof(*row)


def next_step(locality: int, request_id: Any, head: Head) -> Decision:
    """The step after `head`."""
    number = head.seq_num + 1
    return Decision(
        Transition(
            request_id=request_id,
            locality=locality,
            expected_seq=head.seq_num,
            link_id=LINKS[number % 2],
            status=Status.IN_PROGRESS,
            event_ts=datetime.now(UTC),
            actor="benchmark",
            idempotency_key=f"step-{number}",
        )
    )


def decide(contexts: Collection[Context]) -> list[Decision]:
    """The next step of every request that was loaded."""
    return [next_step(c.request.locality, c.request.request_id, c.head) for c in contexts if c.head is not None]


async def move(store: Store, region: str, keys: Sequence[RequestKey]) -> Moved:
    """Give each request one step, as the application does: what the guard refuses is loaded and decided again."""
    pending, refused, rounds = list(keys), 0, 0
    while pending:
        made = await store.apply(region, decide(await store.load(region, pending)))
        pending = [key for key in pending if key.request_id not in made]
        refused += len(pending)
        rounds += 1
    return Moved(len(keys), refused, rounds)


class Lonely(Databases):
    """One client without a pool: it has one connection, made anew when it is told to."""

    _connection: Connection

    def __init__(self, settings: Settings, region: str) -> None:
        super().__init__(settings)
        # Many that connect at once wait for each other: how long is what is measured.
        self._arguments = {
            **connect_arguments(settings.database, settings.regions[region].pooler, "app"),
            "connect_timeout": 60,
        }

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect, and close at the end."""
        async with await psycopg.AsyncConnection.connect(**self._arguments) as connection:
            await configure(connection)
            self._connection = connection
            yield

    @asynccontextmanager
    async def connection(self, _region: str) -> AsyncIterator[Connection]:
        """The one that is open."""
        yield self._connection


class Within:
    """Stands in for Databases inside one transaction: everything that a store does happens in it."""

    #: A conflict ends the transaction, which is made again as a whole by who began it.
    settings = DatabaseSettings(retry_timeout=0)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self, _region: str) -> AsyncIterator[Connection]:
        """The transaction's connection."""
        yield self._connection

    transaction = connection

    def store(self) -> Store:
        """A store that works in the transaction."""
        return Store(cast(Databases, self))
