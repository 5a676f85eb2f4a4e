"""What must hold over all regions: their rows, sorted by a key, are read side by side in pieces."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg

from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.systems.requests.verify_checks import (
    CLAIMS_NAME_THEIR_ACCOUNT,
    NUMBERS_ARE_UNIQUE,
    REQUESTS_ARE_UNIQUE,
    SIGNALS_ARE_UNIQUE,
    TRADES_ARE_UNIQUE,
)
from streams_app.verification import Check, Finding, Violation

SQL = Statements(Path(__file__).with_name("verify.sql"))

# Rows read at once from each region: a few megabytes.
ROWS_AT_ONCE = 50_000

Arguments = dict[str, Any]
Source = Literal["request_ids", "trade_ids", "signal_ids", "account_numbers", "claimed_numbers"]
_IDS: tuple[tuple[Source, Check, str], ...] = (
    ("request_ids", REQUESTS_ARE_UNIQUE, "request"),
    ("trade_ids", TRADES_ARE_UNIQUE, "trade"),
    ("signal_ids", SIGNALS_ARE_UNIQUE, "signal"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a region looks like now, and the arguments that its statements take."""

    region: str
    connection: Connection
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Row:
    """One of several rows with the same key; `values` are its other columns."""

    region: str
    source: Source
    values: tuple[Any, ...]


async def check_across(snapshots: Sequence[Snapshot], samples: int) -> list[Finding]:
    """The findings of all checks that compare regions. Raises what psycopg raises."""
    findings = []
    for source, check, noun in _IDS:
        twice = [_violation(rows, f"{noun} {key}") async for key, rows in _repeated(snapshots, source)]
        findings.append(_finding(check, twice, samples))
    numbers, claims = [], []
    async for _, rows in _repeated(snapshots, "account_numbers", "claimed_numbers"):
        numbers += _shared_number(rows)
        claims += _other_claim(rows)
    findings.append(_finding(NUMBERS_ARE_UNIQUE, numbers, samples))
    findings.append(_finding(CLAIMS_NAME_THEIR_ACCOUNT, claims, samples))
    return findings


def _shared_number(rows: Sequence[Row]) -> list[Violation]:
    holders = [row for row in rows if row.source == "account_numbers"]
    return [_violation(holders, f"number {_number(rows)} of {_accounts(holders)}")] if len(holders) > 1 else []


def _other_claim(rows: Sequence[Row]) -> list[Violation]:
    """A claim of another account than the one that has the number, or two claims of one number."""
    claims = [row for row in rows if row.source == "claimed_numbers"]
    if not claims or (len(claims) == 1 and {row.values for row in rows} == {claims[0].values}):
        return []
    return [_violation(rows, f"number {_number(rows)} of {_accounts(rows)}, claimed by {_accounts(claims)}")]


def _number(rows: Sequence[Row]) -> str:
    return str(rows[0].values[0])


def _accounts(rows: Iterable[Row]) -> str:
    return " and ".join(sorted({f"account {row.values[1]}" for row in rows}))


def _violation(rows: Iterable[Row], offender: str) -> Violation:
    return Violation(" and ".join(dict.fromkeys(row.region for row in rows)), offender)


def _finding(check: Check, found: Sequence[Violation], samples: int) -> Finding:
    return Finding(check, len(found), tuple(found[:samples]))


async def _repeated(snapshots: Sequence[Snapshot], *sources: Source) -> AsyncIterator[tuple[UUID, list[Row]]]:
    """Keys that more than one row has, with these rows, over all regions and `sources`; keys ascend."""
    async with AsyncExitStack() as stack:
        pages = []
        for snapshot in snapshots:
            for source in sources:
                cursor = await stack.enter_async_context(snapshot.connection.cursor(name=source, binary=True))
                await cursor.execute(SQL[source], snapshot.arguments)
                pages.append(_Page(snapshot.region, source, cursor))
        while True:
            await asyncio.gather(*(page.fill() for page in pages))
            if not any(page.rows for page in pages):
                return
            # Below the last key of every page that goes on, all rows are known, whatever comes later.
            bound = min((page.rows[-1][0] for page in pages if not page.ended), default=None)
            for key, rows in sorted(_grouped(pages, bound).items()):
                if len(rows) > 1:
                    yield key, rows


def _grouped(pages: Sequence[_Page], bound: UUID | None) -> dict[UUID, list[Row]]:
    counts: dict[UUID, int] = defaultdict(int)
    taken = [(page, page.take(bound)) for page in pages]
    for _, rows in taken:
        for row in rows:
            counts[row[0]] += 1
    groups: dict[UUID, list[Row]] = defaultdict(list)
    for page, rows in taken:
        for key, *values in rows:
            if counts[key] > 1:
                groups[key].append(Row(page.region, page.source, tuple(values)))
    return groups


class _Page:
    """The next rows of one region and source, ascending by their first column; empty when there are no more."""

    def __init__(self, region: str, source: Source, cursor: psycopg.AsyncServerCursor[tuple[Any, ...]]) -> None:
        self.region = region
        self.source = source
        self.rows: list[tuple[Any, ...]] = []
        self.ended = False
        self._cursor = cursor

    async def fill(self) -> None:
        """Have rows of at least two keys, or all that are left."""
        while not self.ended and (not self.rows or self.rows[0][0] == self.rows[-1][0]):
            more = await self._cursor.fetchmany(ROWS_AT_ONCE)
            self.ended = not more
            self.rows += more

    def take(self, bound: UUID | None) -> list[tuple[Any, ...]]:
        """Take away the rows whose key is below `bound`; None: all."""
        at = len(self.rows) if bound is None else bisect_left(self.rows, bound, key=itemgetter(0))
        taken, self.rows = self.rows[:at], self.rows[at:]
        return taken
