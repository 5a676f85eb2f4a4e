"""Transactions that are made again as a whole when the database asks for it, and looked up when nobody knows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from streams_app import metrics
from streams_app.backoff import Backoff
from streams_app.databases.connecting import Connection
from streams_app.databases.pools import Databases

T = TypeVar("T")

# Serialization failure (CockroachDB: "restart transaction") and deadlock: rolled back, and worth another try.
_CONFLICTS = {"40001": "serialization", "40P01": "deadlock"}
_UNKNOWN_COMPLETION = "40003"
# The connection is gone: cut, or ended by the server (25P03: idle for too long in a transaction).
_LOST = ("08", "57P", "25P03")

BACKOFF = Backoff(first=0.005, most=0.5, spread=1.0)


async def in_transaction(
    databases: Databases,
    region: str,
    work: Callable[[Connection], Awaitable[T]],
    read_back: Callable[[], Awaitable[T | None]] | None = None,
) -> T:
    """The result of `work`, committed in one transaction.

    After a conflict, or when the connection breaks before the commit was asked for, nothing was done, and all of it is
    done again, with pauses, for `retry_timeout` seconds. When nobody knows whether the commit was done, `read_back`
    says: its answer stands for the result, None means it was not. Work without `read_back` must tolerate being done
    twice (guarded or keyed rows). Raises the last failure after that time, and everything else at once.
    """
    deadline, attempt = time.monotonic() + databases.settings.retry_timeout, 0
    while True:
        committing = False
        try:
            async with databases.transaction(region) as connection:
                result = await work(connection)
                committing = True
            return result
        except psycopg.Error as error:
            failure = retry_class(error, committing=committing)
            attempt += 1
            if failure is None or time.monotonic() > deadline:
                raise
            metrics.RETRIES.labels(region, failure).inc()
        if failure == "ambiguous" and read_back is not None:
            found = await read_back()
            if found is not None:
                return found
        await asyncio.sleep(BACKOFF.pause(attempt, random.random()))  # noqa: S311 (spread, not secrecy)


def retry_class(error: psycopg.Error, *, committing: bool) -> str | None:
    """Why a transaction that failed so may be made again: serialization, deadlock, connection, ambiguous; else None.

    `committing`: the commit was on its way, so that a lost answer leaves open whether it was done.
    """
    state = error.sqlstate
    if state in _CONFLICTS:
        return _CONFLICTS[state]
    lost = state.startswith(_LOST) if state is not None else _broke(error)
    if state == _UNKNOWN_COMPLETION or lost:
        return "ambiguous" if committing else "connection"
    return None


def _broke(error: psycopg.Error) -> bool:
    # Without a SQLSTATE the words are libpq's or psycopg's own: the connection ended in mid-sentence.
    return isinstance(error, psycopg.OperationalError | psycopg.InternalError)
