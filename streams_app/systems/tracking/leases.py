"""Which relay has which shards of a region's events: leases in the region's own database, on its clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.systems.tracking.rules import SHARDS, fair_share

SQL = Statements(Path(__file__).with_name("relay.sql"))

# Seconds between looks at how far back open events go, in all days: of an hour everything is seen at once.
LOOK_BACK = 10.0


class Leases:
    """The shards of one relay. Every method raises what psycopg raises."""

    def __init__(self, databases: Databases, region: str, relay_id: str, lease: float) -> None:
        self._databases = databases
        self._region = region
        self._relay_id = relay_id
        self._lease = lease
        self._prepared = False
        self._looked_back_at = -LOOK_BACK
        #: The shards that were this relay's when it last looked.
        self.shards: set[int] = set()
        #: From when to when events that are not done may have been written; `since` and `until` of the statements.
        self.horizon: dict[str, Any] = {}

    async def balance(self) -> None:
        """Take free shards, and give some back when other relays have fewer; look how far back open events go.

        Between two rounds of work only.
        """
        self.shards = await in_transaction(self._databases, self._region, self._balance)
        self._prepared = True

    async def _balance(self, connection: Connection) -> set[int]:
        if not self._prepared:
            await self._execute(connection, "prepare", shards=SHARDS)
        if time.monotonic() - self._looked_back_at > LOOK_BACK:
            ((since, until),) = await (await self._execute(connection, "horizon")).fetchall()
            self.horizon = {"since": since, "until": until}
            self._looked_back_at = time.monotonic()
        ((others,),) = await (await self._execute(connection, "live")).fetchall()
        share = fair_share(1 + others)
        held = sorted(await self._renewed(connection))
        if len(held) > share:
            await self._execute(connection, "release", shards=held[share:])
        elif len(held) < share:
            claimed = await (await self._execute(connection, "claim", most=share - len(held))).fetchall()
            held += [row[0] for row in claimed]
            await self._execute(connection, "take_back", shards=[row[0] for row in claimed], **self.horizon)
        return set(held[:share])

    async def renew(self) -> None:
        """Keep the shards for another lease; what was lost meanwhile is let go."""
        self.shards &= await in_transaction(self._databases, self._region, self._renewed)

    async def _renewed(self, connection: Connection) -> set[int]:
        await self._execute(connection, "live")
        rows = await (await self._execute(connection, "renew", shards=sorted(self.shards))).fetchall()
        return {row[0] for row in rows}

    async def held(self, connection: Connection, shards: list[int]) -> list[int]:
        """Those of the shards that are this relay's until the transaction ends."""
        rows = await (await self._execute(connection, "held", shards=shards)).fetchall()
        return [row[0] for row in rows]

    async def leave(self) -> None:
        """Give everything back at once, so that another relay need not wait for the leases to end."""

        async def leave(connection: Connection) -> None:
            await self._execute(connection, "release", shards=sorted(self.shards))
            await self._execute(connection, "leave")

        await in_transaction(self._databases, self._region, leave)
        self.shards = set()

    async def _execute(self, connection: Connection, name: str, **more: Any) -> psycopg.AsyncCursor[TupleRow]:
        arguments = {"region": self._region, "relay": self._relay_id, "lease": self._lease, **more}
        return await connection.execute(SQL[name], arguments)
