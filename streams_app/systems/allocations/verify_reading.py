"""The domains as a verification reads them: each from a snapshot, small tables whole, executions side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from streams_app.allocation_settings import DomainName
from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.systems.allocations.verify_across import Found
from streams_app.systems.allocations.verify_rows import ExecutionRow
from streams_app.verification import Check, Finding, Violation

SQL = Statements(Path(__file__).with_name("verify.sql"))

# Executions read at once.
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A domain as it was at one moment; what came after `until` may be on its way."""

    domain: DomainName
    connection: Connection
    until: datetime

    async def rows(self, name: str) -> list[tuple[Any, ...]]:
        """The answer of a statement."""
        return await (await self.connection.execute(SQL[name], self._arguments())).fetchall()

    async def finding(self, check: Check, samples: int) -> Finding:
        """What the statement of a check's name finds."""
        statement = b"WITH v AS MATERIALIZED (%s) SELECT count(*) OVER (), offender FROM v ORDER BY offender LIMIT %d"
        cursor = await self.connection.execute(statement % (SQL[check.name], samples), self._arguments())
        rows = await cursor.fetchall()
        return Finding(check, rows[0][0] if rows else 0, tuple(Violation(self.domain, row[1]) for row in rows))

    async def executions(self, name: str) -> AsyncIterator[tuple[UUID, list[ExecutionRow]]]:
        """The executions of each block order together, block orders ascending."""
        together: list[ExecutionRow] = []
        async with self.connection.cursor(name=name) as cursor:
            await cursor.execute(SQL[name], self._arguments())
            while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
                for row in map(ExecutionRow._make, rows):
                    if together and together[0].block_order_id != row.block_order_id:
                        yield together[0].block_order_id, together
                        together = []
                    together.append(row)
        if together:
            yield together[0].block_order_id, together

    def _arguments(self) -> dict[str, Any]:
        return {"region": self.domain, "until": self.until}


async def side_by_side(
    one: Snapshot, first: str, other: Snapshot, second: str
) -> AsyncIterator[tuple[UUID, list[ExecutionRow], list[ExecutionRow]]]:
    """The executions of each block order as two statements of two domains tell them; none where one of them knows it
    not."""
    left, right = one.executions(first), other.executions(second)
    a, b = await anext(left, None), await anext(right, None)
    while a is not None or b is not None:
        block = min(pair[0] for pair in (a, b) if pair is not None)
        here, there = list[ExecutionRow](), list[ExecutionRow]()
        if a is not None and a[0] == block:
            here, a = a[1], await anext(left, None)
        if b is not None and b[0] == block:
            there, b = b[1], await anext(right, None)
        yield block, here, there


class Collected:
    """Violations as they come: all are counted, some are kept."""

    def __init__(self, checks: Iterable[Check], samples: int) -> None:
        self._samples = samples
        self._counts = dict.fromkeys(checks, 0)
        self._kept: dict[Check, list[Violation]] = {check: [] for check in self._counts}

    def add(self, found: Iterable[Found]) -> None:
        """Take what was found."""
        for check, violation in found:
            self._counts[check] += 1
            if len(self._kept[check]) < self._samples:
                self._kept[check].append(violation)

    def findings(self) -> list[Finding]:
        """What was found, check by check."""
        return [Finding(check, count, tuple(self._kept[check])) for check, count in self._counts.items()]
