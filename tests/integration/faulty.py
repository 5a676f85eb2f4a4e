"""Where two designs of tracked events meet the same faults: operations that are facts, effects that must match them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import Any

import psycopg

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.settings import Settings
from tests.integration.events import REGION, read_topic

# An effect has no key of its own: it would hide every repetition.
TABLES = """
    CREATE SCHEMA faults;
    CREATE TABLE faults.head (world text, key text, seq int4 NOT NULL, PRIMARY KEY (world, key));
    CREATE TABLE faults.fact (world text, key text, seq int4);
    CREATE TABLE faults.effect (id int8 GENERATED ALWAYS AS IDENTITY, world text, consumer text, key text, seq int4);
    GRANT USAGE ON SCHEMA faults TO streams_app;
    GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA faults TO streams_app;
"""
NEXT = b"""
    INSERT INTO faults.head AS h VALUES (%s, %s, 1) ON CONFLICT (world, key) DO UPDATE SET seq = h.seq + 1 RETURNING seq
"""
FACT = b"INSERT INTO faults.fact VALUES (%s, %s, %s)"
EFFECT = b"INSERT INTO faults.effect (world, consumer, key, seq) VALUES (%s, %s, %s, %s)"
Item = tuple[str, int]


class Trouble(Enum):
    """What goes wrong once."""

    UNDONE = auto()  # the operation's transaction is rolled back
    KILLED_AFTER_COMMIT = auto()
    KILLED_BEFORE_SEND = auto()
    REFUSED = auto()  # the broker does not take the event at its first try
    KILLED_BEFORE_EFFECT = auto()
    KILLED_AFTER_EFFECT = auto()
    FAILS = auto()  # the work raises


@dataclass(frozen=True)
class Counts:
    """What a fault did; `raised`: records at which the consumer raised; `open`: rows of logs that never end."""

    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    unfounded: int = 0
    raised: int = 0
    open: int = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(astuple(self))


class Agent:
    """A consumer's work: a row for each event. It goes wrong where it is told to."""

    def __init__(self, world: str, group: str, troubles: Mapping[int, Trouble]) -> None:
        self._world = world
        self._group = group
        self._troubles = dict(troubles)

    async def effect(self, connection: Connection, key: str, seq: int) -> None:
        """Make it, in the transaction of the connection."""
        self._meet(seq, Trouble.KILLED_BEFORE_EFFECT)
        await connection.execute(EFFECT, (self._world, self._group, key, seq))
        if self._troubles.get(seq) is Trouble.FAILS:
            del self._troubles[seq]
            raise ValueError(f"cannot process {key}-{seq}")

    def after(self, seq: int) -> None:
        """The effect is made, and nothing else yet."""
        self._meet(seq, Trouble.KILLED_AFTER_EFFECT)

    def _meet(self, seq: int, trouble: Trouble) -> None:
        if self._troubles.get(seq) is trouble:
            raise asyncio.CancelledError


class Design(ABC):
    """One design on one topic of its own."""

    def __init__(self, databases: Databases, settings: Settings, world: str, topic: str) -> None:
        self.databases = databases
        self.settings = settings
        self.world = world
        self.topic = topic
        self.raised: set[tuple[int, int]] = set()

    @abstractmethod
    async def operate(self, key: str = "k", trouble: Trouble | None = None, gate: asyncio.Event | None = None) -> None:
        """Do an operation and publish its event; wait at `gate` in between, if there is one."""

    @abstractmethod
    async def carry(self) -> None:
        """What brings events to their topic, until nothing moves."""

    @abstractmethod
    async def consume(self, agent: Agent, group: str, records: Sequence[Record], race: asyncio.Barrier | None) -> None:
        """Consume records; with `race`, meet another consumer where it hurts most."""

    @abstractmethod
    async def retry(self) -> None:
        """What is tried again later."""

    @abstractmethod
    async def mend(self, originals: Sequence[Record]) -> None:
        """A person mends what the design has kept of bad input."""

    @abstractmethod
    async def open_rows(self) -> int:
        """Rows of both logs whose events are not published or processed."""

    async def take(
        self,
        records: Sequence[Record],
        group: str = "one",
        trouble: Mapping[int, Trouble] = {},
        race: asyncio.Barrier | None = None,
    ) -> None:
        """A new consumer takes records."""
        await self.consume(Agent(self.world, group, trouble), group, records, race)

    async def records(self) -> list[Record]:
        """Everything on the topic."""
        return await read_topic(self.settings, self.topic)

    async def fact(self, connection: Connection, key: str) -> int:
        """The operation itself: the next fact of its key, whose row is locked."""
        row: Any = await (await connection.execute(NEXT, (self.world, key))).fetchone()
        await connection.execute(FACT, (self.world, key, row[0]))
        return int(row[0])

    async def counts(self, groups: Sequence[str]) -> Counts:
        """Compare the effects with the facts."""
        facts = {(key, seq) for key, seq in await self.rows("SELECT key, seq FROM faults.fact WHERE world = %s")}
        made: dict[str, list[Item]] = {group: [] for group in groups}
        for group, key, seq in await self.rows(
            "SELECT consumer, key, seq FROM faults.effect WHERE world = %s ORDER BY id"
        ):
            made[group].append((key, seq))
        return Counts(
            lost=sum(len(facts - set(items)) for items in made.values()),
            twice=sum(len(items) - len(set(items)) for items in made.values()),
            out_of_order=sum(_descents(items) for items in made.values()),
            unfounded=sum(len(set(items) - facts) for items in made.values()),
            raised=len(self.raised),
            open=await self.open_rows(),
        )

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows of this world."""
        async with self.databases.connection(REGION) as connection:
            return await (await connection.execute(sql.encode(), arguments or (self.world,))).fetchall()


def _descents(items: Sequence[Item]) -> int:
    """Events that came before an earlier one of their key."""
    return sum(
        one > other
        for key in {key for key, _ in items}
        for one, other in pairwise(list(dict.fromkeys(seq for of, seq in items if of == key)))
    )


async def killed(work: Coroutine[Any, Any, None]) -> None:
    """Run something that ends as by a kill: nothing after that point runs, its transactions are undone."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task})
    assert task.cancelled()


def make_tables(server: psycopg.Connection, tables: str) -> None:
    with server.transaction():
        server.execute(tables.encode())
