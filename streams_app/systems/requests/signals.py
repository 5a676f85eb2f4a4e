"""What the outside world says of requests: rows of request_signal, which the changefeed carries to the workers.

Saying the same thing twice is saying it once: a signal's id follows from the request and the kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.systems.requests.model import SignalKind

SQL = Statements(Path(__file__).with_name("signals.sql"))


class SignalState(StrEnum):
    """What became of a signal."""

    SENT = "sent"
    ALREADY_THERE = "already there"
    REQUEST_ENDED = "the request has ended"
    REQUEST_UNKNOWN = "no such request"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One signal to send; `locality` is that of its request."""

    request_id: UUID
    locality: int
    kind: SignalKind
    actor: str
    signal_id: UUID
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignalResult:
    """What became of one signal; `ended` is the status and state of a request that has ended."""

    request_id: UUID
    signal_id: UUID
    state: SignalState
    ended: str | None = None


class UnknownRequestError(LookupError):
    """No region has such a request."""


class RequestEndedError(ValueError):
    """The request has ended, and takes no more signals; the message says how it ended."""


def signal_id_of(request_id: UUID, kind: SignalKind) -> UUID:
    """The usual id of a signal: one per request and kind."""
    return uuid5(request_id, kind.value)


async def send_signal(
    databases: Databases,
    request_id: UUID,
    kind: SignalKind,
    *,
    actor: str,
    payload: dict[str, Any] | None = None,
    signal_id: UUID | None = None,
    locality: int | None = None,
) -> SignalResult:
    """Tell a request something; without `locality` every region is asked for it. SENT or ALREADY_THERE.

    Raises UnknownRequestError, RequestEndedError, and what psycopg raises; safe to repeat after any failure.
    """
    if locality is None:
        locality = await find_locality(databases, request_id)
    signal_id = signal_id or signal_id_of(request_id, kind)
    outgoing = Outgoing(request_id, locality, kind, actor, signal_id, payload or {})
    result = (await send_signals(databases, databases.regions.of(locality), [outgoing]))[0]
    if result.state is SignalState.REQUEST_UNKNOWN:
        raise UnknownRequestError(f"there is no request {request_id} in locality {locality}")
    if result.state is SignalState.REQUEST_ENDED:
        raise RequestEndedError(f"request {request_id} has ended ({result.ended}): it takes no more signals")
    return result


async def send_signals(databases: Databases, region: str, outgoing: Sequence[Outgoing]) -> list[SignalResult]:
    """Send signals to requests of `region` in one statement; the answer is in no particular order.

    Raises what psycopg raises; safe to repeat after any failure.
    """
    arguments = {
        "localities": [o.locality for o in outgoing],
        "request_ids": [o.request_id for o in outgoing],
        "signal_ids": [o.signal_id for o in outgoing],
        "kinds": [o.kind.value for o in outgoing],
        "actors": [o.actor for o in outgoing],
        "payloads": [orjson.dumps(o.payload).decode() for o in outgoing],
    }

    async def send(connection: Connection) -> list[SignalResult]:
        cursor = await connection.execute(SQL["send_signals"], arguments)
        return [_result(*row) for row in await cursor.fetchall()]

    return await in_transaction(databases, region, send)


async def find_locality(databases: Databases, request_id: UUID) -> int:
    """The locality of a request, asked of all regions side by side.

    Raises UnknownRequestError; or what psycopg raises, when the request may be in a region that does not answer.
    """
    answers = await asyncio.gather(
        *(_find_in(databases, region, request_id) for region in databases.regions.names),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, int):
            return answer
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    raise UnknownRequestError(f"there is no request {request_id} in {', '.join(databases.regions.names)}")


async def _find_in(databases: Databases, region: str, request_id: UUID) -> int | None:
    async with databases.connection(region) as connection:
        arguments = {"localities": databases.regions.localities(region), "request_id": request_id}
        row = await (await connection.execute(SQL["find_localities"], arguments)).fetchone()
        return None if row is None else int(row[0])


def _result(
    request_id: UUID, signal_id: UUID, sent: bool, there: bool, known: bool, status: str | None, state: str | None
) -> SignalResult:
    if sent:
        return SignalResult(request_id, signal_id, SignalState.SENT)
    if not known:
        return SignalResult(request_id, signal_id, SignalState.REQUEST_UNKNOWN)
    # An open request refuses a signal only because somebody else said the same at this moment.
    if there or status is None:
        return SignalResult(request_id, signal_id, SignalState.ALREADY_THERE)
    return SignalResult(request_id, signal_id, SignalState.REQUEST_ENDED, f"{status}, {state}")
