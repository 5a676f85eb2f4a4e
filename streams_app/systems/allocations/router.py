"""The router: the accounts of a slice become customer orders, and their sums go to orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.criteria import Criteria, read_criteria
from streams_app.systems.allocations.messages import SLICES, Payload, slice_routed
from streams_app.systems.allocations.model import Adjustment, Portfolio, Side, block_order_id
from streams_app.systems.allocations.planning import AccountRange, eligible
from streams_app.systems.allocations.quotes import Quotes
from streams_app.systems.allocations.rebalancing import adjustments

SQL = Statements(Path(__file__).with_name("router.sql"))

Targets: TypeAlias = dict[int, dict[int, Decimal]]


@dataclass(frozen=True, slots=True)
class _Slice:
    rebalance_id: UUID
    slice_no: int
    accounts: AccountRange
    is_running: bool
    slices: int
    trading_day: date
    criteria: Criteria


class Router:
    """Routes slices. One whose rebalance was cancelled is routed without orders, and nobody hears of it."""

    name: StepName = "router"
    domain: DomainName = "holdings"
    topic = SLICES

    def __init__(self, quotes: Quotes, settings: AllocationSettings) -> None:
        self._quotes = quotes
        self._cash_kept = settings.cash_kept

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Write the customer orders of slices; returns their sums. Raises StartError when the day has no prices."""
        where = {
            "ids": [UUID(payload["rebalance_id"]) for payload in payloads],
            "numbers": [payload["slice_no"] for payload in payloads],
        }
        slices = [_slice(row) for row in await (await connection.execute(SQL["due"], where)).fetchall()]
        targets = await _targets(connection)
        events, routed = [], []
        for item in slices:
            found = await self._route(connection, item, targets) if item.is_running else []
            await _write(connection, item.rebalance_id, found)
            routed.append((item.rebalance_id, item.slice_no, len(found)))
            if item.is_running:
                events.append(_event(item, found))
        ids, numbers, orders = zip(*routed, strict=True) if routed else ((), (), ())
        arguments = {"ids": list(ids), "numbers": list(numbers), "orders": list(orders)}
        await connection.execute(SQL["routed"], arguments)
        return events

    async def _route(self, connection: Connection, item: _Slice, targets: Targets) -> list[Adjustment]:
        quotes, criteria = await self._quotes.of(item.trading_day), item.criteria
        cash_kept = self._cash_kept if criteria.cash_kept is None else criteria.cash_kept
        accounts = await eligible(connection, criteria, [item.accounts])
        where = {"bucket": item.accounts.bucket, "accounts": [account_id for _, account_id in accounts]}
        rows = await (await connection.execute(SQL["portfolios"], where)).fetchall()
        return [
            adjustment
            for account_id, cash, model_id, securities, quantities in rows
            for adjustment in adjustments(
                Portfolio(
                    account_id,
                    item.accounts.bucket,
                    cash,
                    dict(zip(securities or (), quantities or (), strict=True)),
                    targets.get(model_id, {}),
                ),
                quotes,
                criteria.drift,
                cash_kept,
            )
        ]


def _slice(row: tuple[Any, ...]) -> _Slice:
    rebalance_id, slice_no, bucket, first, last, status, slices, day, criteria = row
    accounts = AccountRange(bucket, first, last)
    return _Slice(rebalance_id, slice_no, accounts, status == "RUNNING", slices, day, read_criteria(criteria))


async def _targets(connection: Connection) -> Targets:
    found: Targets = {}
    for model_id, security_id, weight in await (await connection.execute(SQL["targets"])).fetchall():
        found.setdefault(model_id, {})[security_id] = weight
    return found


def _event(item: _Slice, found: Sequence[Adjustment]) -> Event:
    sums: dict[tuple[int, Side], tuple[int, int]] = {}
    for each in found:
        shares, accounts = sums.get((each.security_id, each.side), (0, 0))
        sums[each.security_id, each.side] = shares + each.quantity, accounts + 1
    quantities = [(*key, *of_key) for key, of_key in sorted(sums.items())]
    return slice_routed(item.rebalance_id, item.slice_no, item.slices, item.trading_day, quantities)


async def _write(connection: Connection, rebalance_id: UUID, found: Sequence[Adjustment]) -> None:
    """Write customer orders, in the order of their keys."""
    keys = {(each.security_id, each.side) for each in found}
    blocks = {key: block_order_id(rebalance_id, *key) for key in keys}
    lines: dict[UUID, list[str]] = {block: [] for block in sorted(blocks.values())}
    for each in found:
        block = blocks[each.security_id, each.side]
        lines[block].append(
            f"{block}\t{each.bucket}\t{each.account_id}\t{rebalance_id}\t{each.security_id}\t{each.side}\t{each.quantity}\n"
        )
    async with connection.cursor() as cursor, cursor.copy(SQL["copy_orders"]) as copy:
        await copy.write("".join(line for of_block in lines.values() for line in of_block))
