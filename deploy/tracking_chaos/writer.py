"""`python -m deploy.tracking_chaos.writer`: writes events and facts of its own in all regions, until there are enough.

Started again after a kill it goes on from what is committed.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from uuid import uuid4

import psycopg

from deploy.tracking_chaos.plan import KEYS_PER_REGION, SQL, topic
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import Event
from streams_app.settings import load_settings
from streams_app.systems.tracking.publisher import TrackedPublisher

WRITERS_PER_REGION = 2
MOST_AT_ONCE = 12
# Share of transactions that are rolled back when everything is written: nothing of them may ever be seen.
UNDONE = 0.05


class UndoneError(Exception):
    """Rolls a transaction back on purpose."""


class Writer:
    """Writes the events of one region."""

    def __init__(self, databases: Databases, publisher: TrackedPublisher, region: str, total: int) -> None:
        self._databases = databases
        self._publisher = publisher
        self._region = region
        self._left = total
        self._topic = topic()
        self._random = Random()  # noqa: S311 (variety, not secrecy)

    async def run(self, per_second: float) -> None:
        """Write what is missing, at most so many events a second."""
        async with self._databases.connection(self._region) as connection:
            row = await (await connection.execute(SQL["count_facts"])).fetchone()
        self._left -= row[0] if row else 0
        await asyncio.gather(*(self._write(per_second / WRITERS_PER_REGION) for _ in range(WRITERS_PER_REGION)))

    async def _write(self, per_second: float) -> None:
        began, written = time.monotonic(), 0
        while self._left > 0:
            count = min(self._random.randint(1, MOST_AT_ONCE), self._left)
            self._left -= count
            numbers = sorted(self._random.sample(range(KEYS_PER_REGION), count))
            await self._transaction([f"{self._region}:{number}" for number in numbers])
            written += count
            await asyncio.sleep(max(0.0, began + written / per_second - time.monotonic()))

    async def _transaction(self, keys: Sequence[str]) -> None:
        """One event of each key; now and then only after an attempt that is undone."""
        if self._random.random() < UNDONE:
            with suppress(UndoneError):
                await in_transaction(self._databases, self._region, lambda c: self._work(c, keys, "undone"))
        await in_transaction(self._databases, self._region, lambda c: self._work(c, keys, uuid4().hex[:8]))

    async def _work(self, connection: Connection, keys: Sequence[str], mark: str) -> None:
        """`mark` is in the ids, so that a transaction that is made again makes other events if the first is there."""
        rows = await (await connection.execute(SQL["number"], {"keys": list(keys)})).fetchall()
        events = [
            Event(self._topic, "chaos.numbered", f"{key}:{seq}:{mark}", {"key": key, "seq": seq}, key)
            for key, seq in rows
        ]
        await self._publisher.publish(self._region, events, connection)
        facts = {"keys": [r[0] for r in rows], "seqs": [r[1] for r in rows], "event_ids": [e.event_id for e in events]}
        await connection.execute(SQL["write_facts"], facts)
        if mark == "undone":
            raise UndoneError


async def write(total: int, per_second: float) -> None:
    """Write until the regions together have `total` facts. Raises what psycopg raises."""
    settings = load_settings()
    publisher = TrackedPublisher("tracking-chaos", settings)
    async with Databases(settings) as databases:
        names = databases.regions.names
        shares = [total // len(names) + (number < total % len(names)) for number in range(len(names))]
        writers = [Writer(databases, publisher, name, share) for name, share in zip(names, shares, strict=True)]
        await asyncio.gather(*(writer.run(per_second / len(names)) for writer in writers))


def main() -> None:
    """The process. Ends with status 0 only when everything is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total", type=int, required=True, help="events in all")
    parser.add_argument("--rate", type=float, required=True, help="events a second in all")
    arguments = parser.parse_args()
    try:
        asyncio.run(write(arguments.total, arguments.rate))
    except psycopg.Error as error:
        raise SystemExit(f"the writer ends, and is started again: {error}") from None


if __name__ == "__main__":
    main()
