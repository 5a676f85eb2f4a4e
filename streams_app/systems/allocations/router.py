"""The router: the accounts of a slice become customer orders, and their sums go to orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from streams_app.allocation_settings import AllocationSettings, DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.arrays import numbers, texts
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
Blocks: TypeAlias = Mapping[tuple[int, Side], Sequence[Adjustment]]


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
        events, counts = [], []
        for item in slices:
            blocks = _by_block(await self._route(connection, item, targets)) if item.is_running else {}
            counts.append(sum(map(len, blocks.values())))
            if item.is_running:
                await _write(connection, item, blocks)
                events.append(_event(item, blocks))
        arguments = {
            "ids": [item.rebalance_id for item in slices],
            "numbers": [item.slice_no for item in slices],
            "orders": counts,
        }
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


def _by_block(found: Sequence[Adjustment]) -> dict[tuple[int, Side], list[Adjustment]]:
    """What is to be traded, by what will be a block order."""
    blocks: dict[tuple[int, Side], list[Adjustment]] = {}
    for each in found:
        blocks.setdefault((each.security_id, each.side), []).append(each)
    return dict(sorted(blocks.items()))


def _event(item: _Slice, blocks: Blocks) -> Event:
    quantities = [(*key, sum(each.quantity for each in orders), len(orders)) for key, orders in blocks.items()]
    return slice_routed(item.rebalance_id, item.slice_no, item.slices, item.trading_day, quantities)


async def _write(connection: Connection, item: _Slice, blocks: Blocks) -> None:
    """Write customer orders, in the order of their keys."""
    ordered = sorted((block_order_id(item.rebalance_id, *key), *key) for key in blocks)
    orders = [
        (place, each) for place, (_, security_id, side) in enumerate(ordered) for each in blocks[security_id, side]
    ]
    arguments = {
        "rebalance_id": item.rebalance_id,
        "bucket": item.accounts.bucket,
        "numbers": numbers(range(len(ordered))),
        "blocks": [block for block, _, _ in ordered],
        "securities": numbers(security_id for _, security_id, _ in ordered),
        "sides": texts([side for _, _, side in ordered]),
        "places": numbers(place for place, _ in orders),
        "accounts": numbers(each.account_id for _, each in orders),
        "quantities": numbers(each.quantity for _, each in orders),
    }
    await connection.execute(SQL["add_orders"], arguments)
