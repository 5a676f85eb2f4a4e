"""Plays the outside world: approves, refuses, delivers documents, withdraws requests, and leaves some unanswered.

What is said of a request follows from the seed, the request and its step alone, so that a second player with the
same seed, or the same one after a restart, says the same things.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

from streams_app.databases import Databases, Statements
from streams_app.systems.requests.generate.retrying import until_region_answers
from streams_app.systems.requests.model import SignalKind
from streams_app.systems.requests.signals import Outgoing, SignalState, send_signals, signal_id_of
from streams_app.systems.requests.workflow import Node, Workflow, WorkflowBook

SQL = Statements(Path(__file__).with_name("answers.sql"))

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ID = UUID(int=0)
# A step is dated before it is committed: so far back are steps looked for that were not there the last time.
_OVERLAP = timedelta(seconds=60)
_PAGE = 5_000
_INTERVAL = 0.2

_PAYLOADS: dict[SignalKind, dict[str, Any]] = {
    SignalKind.APPROVE: {},
    SignalKind.REJECT: {"reason": "declined"},
    SignalKind.DOCUMENTS: {"documents": ["identity", "address"]},
    SignalKind.CANCEL: {"reason": "withdrawn_by_client"},
}


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the requests at one step, the share that is refused, withdrawn, or left to time out; the others go on.

    `cancel` counts at automatic steps too: a client may change their mind at any time.
    """

    reject: float = 0.05
    cancel: float = 0.01
    silent: float = 0.03


def answer(seed: str, request_id: UUID, workflow: Workflow, node: Node, shares: Shares) -> SignalKind | None:
    """What the outside world says of a request at `node`, or None when it says nothing."""
    drawn = int.from_bytes(blake2b(f"{seed}:{request_id}:{node.link_id}".encode(), digest_size=7).digest()) / 2**56
    if drawn < shares.cancel:
        return SignalKind.CANCEL
    if not node.waits or drawn < shares.cancel + shares.silent:
        return None
    if drawn < shares.cancel + shares.silent + shares.reject and workflow.target(node, SignalKind.REJECT.value):
        return SignalKind.REJECT
    kinds = (SignalKind.DOCUMENTS, SignalKind.APPROVE, SignalKind.REJECT)
    return next(kind for kind in kinds if workflow.target(node, kind.value))


def signal_for(request_id: UUID, locality: int, kind: SignalKind) -> Outgoing:
    """The signal that says `kind`: its actor and payload always the same."""
    role = "client" if kind in (SignalKind.DOCUMENTS, SignalKind.CANCEL) else "approver"
    actor = f"{role}_{request_id.int % 1000:03d}"
    return Outgoing(request_id, locality, kind, actor, signal_id_of(request_id, kind), _PAYLOADS[kind])


class OutsideWorld:
    """Answers the incomplete requests of all regions. `on_sent` is told how many signals were new."""

    def __init__(
        self,
        databases: Databases,
        book: WorkflowBook,
        seed: str,
        shares: Shares = Shares(),
        on_sent: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._databases = databases
        self._book = book
        self._seed = seed
        self._shares = shares
        self._on_sent = on_sent
        self._links = [node.link_id for _, node in book.by_link.values() if not node.is_terminal]

    async def run(self, regions: Collection[str]) -> None:
        """Answer until cancelled, which is safe at any time. Raises what is permanent."""
        await asyncio.gather(*(self._answer_region(region) for region in regions))

    async def _answer_region(self, region: str) -> None:
        since = _BEGINNING
        answered: dict[tuple[UUID, int], datetime] = {}
        while True:
            newest = await until_region_answers(region, "answers", partial(self.answer_once, region, since, answered))
            since = max(since, newest - _OVERLAP)
            for key in [key for key, event_ts in answered.items() if event_ts < since]:
                del answered[key]
            await asyncio.sleep(_INTERVAL)

    async def answer_once(self, region: str, since: datetime, answered: dict[tuple[UUID, int], datetime]) -> datetime:
        """Answer every request whose step was made after `since` and is not in `answered`; returns the newest step.

        Adds to `answered` what needs no second look. Raises what psycopg raises; safe to repeat.
        """
        after = _FIRST_ID
        while True:
            rows = await self._page(region, since, after)
            new = [row for row in rows if (row[1], row[2]) not in answered]
            await self._send(region, new)
            answered.update({(request_id, link_id): event_ts for _, request_id, link_id, event_ts in new})
            if rows:
                since, after = rows[-1][3], rows[-1][1]
            if len(rows) < _PAGE:
                return since

    async def _page(self, region: str, since: datetime, after: UUID) -> list[tuple[Any, ...]]:
        localities = self._databases.regions.localities(region)
        arguments = {"localities": localities, "link_ids": self._links, "since": since, "after": after, "limit": _PAGE}
        async with self._databases.connection(region) as connection:
            return await (await connection.execute(SQL["find_unanswered"], arguments)).fetchall()

    async def _send(self, region: str, rows: Iterable[tuple[Any, ...]]) -> None:
        outgoing = []
        for locality, request_id, link_id, _ in rows:
            kind = answer(self._seed, request_id, *self._book.by_link[link_id], self._shares)
            if kind is not None:
                outgoing.append(signal_for(request_id, locality, kind))
        if outgoing:
            results = await send_signals(self._databases, region, outgoing)
            self._on_sent(sum(result.state is SignalState.SENT for result in results))


async def still_open(databases: Databases, region: str, requests: dict[UUID, int]) -> set[UUID]:
    """Which of `requests` (id to locality, all of `region`) have not ended. Raises what psycopg raises."""
    arguments = {"localities": list(requests.values()), "request_ids": list(requests)}
    async with databases.connection(region) as connection:
        return {row[0] for row in await (await connection.execute(SQL["find_open"], arguments)).fetchall()}
