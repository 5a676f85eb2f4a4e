"""The proof for allocations: the domains tell the same story, each thing once.

Every domain is read from a snapshot, two of them from two: an effect is read before its cause, so that running workers
raise no false alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from streams_app.allocation_settings import DomainName
from streams_app.databases.domains import place_of
from streams_app.databases.snapshots import snapshot_at
from streams_app.settings import Settings
from streams_app.systems.allocations.verify_across import (
    check_booked,
    check_closings,
    check_customers,
    check_executions,
    check_orders,
    check_sent,
    check_settled,
    check_standing,
)
from streams_app.systems.allocations.verify_checks import ACROSS, RELAYED, STATEMENTS
from streams_app.systems.allocations.verify_events import Produced, check_events
from streams_app.systems.allocations.verify_reading import Collected, Snapshot, side_by_side
from streams_app.systems.allocations.verify_rows import (
    Allocated,
    AllocationOrder,
    BlockOrder,
    Course,
    Customers,
    MarketOrder,
    course_of,
)
from streams_app.verification import Check, Finding, Report, merged

Progress = Callable[[], None]


def steps(settings: Settings) -> int:
    """How often `verify` calls `on_check`."""
    return sum(map(len, _statements(settings).values())) + len(_COMPARISONS)


async def verify(settings: Settings, *, grace: float, samples: int, on_check: Progress = lambda: None) -> Report:
    """Check every domain, and that they agree.

    What is younger than `grace` (seconds) may be on its way. At most `samples` violations of a check are named.
    `on_check` is called `steps` times on the way. Raises what psycopg raises.
    """
    until = datetime.fromtimestamp(time.time() - grace, UTC)
    async with AsyncExitStack() as stack:

        async def snapshot(domain: DomainName) -> Snapshot:
            connection = await stack.enter_async_context(snapshot_at(place_of(settings, domain, "readonly")))
            taken = Snapshot(domain, connection, until)
            await taken.rows("taken")
            return taken

        domains = _Domains(
            orders_before=await snapshot("orders"),
            holdings_before=await snapshot("holdings"),
            allocations=await snapshot("allocations"),
            trades=await snapshot("trades"),
            orders=await snapshot("orders"),
            holdings=await snapshot("holdings"),
        )
        statements, findings = _statements(settings), list[Finding]()
        for one in (domains.allocations, domains.orders, domains.holdings_before):
            for check in statements[one.domain]:
                findings.append(await one.finding(check, samples))
                on_check()
        found = Collected(ACROSS, samples)
        for compare in _COMPARISONS:
            await compare(domains, found)
            on_check()
        figures = await _figures(domains)
    return Report("allocations", merged([*findings, *found.findings()], samples), figures)


def _statements(settings: Settings) -> dict[DomainName, tuple[Check, ...]]:
    """The checks that are statements of one domain, by domain."""
    relayed = (RELAYED,) if settings.allocations.delivery == "relay" else ()
    return {name: (*STATEMENTS.get(name, ()), *relayed) for name in ("allocations", "orders", "holdings")}


@dataclass(frozen=True, slots=True)
class _Domains:
    """The snapshots, in the order in which they are taken: effects before causes. Orders and holdings have both."""

    orders_before: Snapshot
    holdings_before: Snapshot
    allocations: Snapshot
    trades: Snapshot
    orders: Snapshot
    holdings: Snapshot


async def _orders(domains: _Domains, found: Collected) -> None:
    """What was ordered, from the customers to the market and to the allocations."""
    until = domains.orders.until
    placed = {rebalance_id for (rebalance_id,) in await domains.orders.rows("placed")}
    orders = {row[0]: BlockOrder(*row) for row in await domains.orders.rows("block_orders")}
    customers = [Customers(*row) for row in await domains.holdings.rows("customer_orders")]
    market = {row[0]: MarketOrder(*row) for row in await domains.trades.rows("market_orders")}
    found.add(check_orders(orders, customers, placed))
    found.add(check_sent(orders, market, await _opened(domains), until))
    found.add(check_customers(customers, await _allocated(domains)))


async def _executions(domains: _Domains, found: Collected) -> None:
    """What was executed, from the market to the ends of block orders."""
    opened, until = await _opened(domains), domains.trades.until
    courses: dict[UUID, Course] = {}
    both = side_by_side(domains.trades, "market_executions", domains.allocations, "captured_executions")
    async for block, made, captured in both:
        order = opened.get(block)
        found.add(check_executions(block, made, captured, order.applied_seq if order else 0, until))
        if order is not None:
            courses[block] = course_of(made, order.ordered)
    found.add(check_standing(opened, courses))
    orders = {row[0]: BlockOrder(*row) for row in await domains.orders_before.rows("block_orders")}
    closings = {row[0]: row[1:] for row in await domains.holdings_before.rows("closings")}
    found.add(check_closings(orders, closings, opened, courses, until))


async def _bookings(domains: _Domains, found: Collected) -> None:
    """What was filled, and what is booked and to be settled of it."""
    filled = {row[:3]: row[3:] for row in await domains.allocations.rows("filled")}
    booked = {row[:3]: row[3:] for row in await domains.holdings_before.rows("booked")}
    settled = {row[:2]: row[2:] for row in await domains.holdings_before.rows("settled")}
    found.add(check_booked(filled, booked, domains.allocations.until))
    on_their_way = {block for block, _, _ in filled.keys() - booked.keys()}
    found.add(check_settled(await _allocated(domains), settled, on_their_way))


async def _events(domains: _Domains, found: Collected) -> None:
    """What the steps have said to each other."""
    produced = [
        Produced(*row)
        for one in (domains.allocations, domains.orders, domains.holdings)
        for row in await one.rows("produced")
    ]
    readers = (domains.orders_before, domains.holdings_before, domains.allocations, domains.trades)
    consumed = {one.domain: dict(await one.rows("consumed")) for one in readers}
    found.add(check_events(produced, consumed))


_COMPARISONS = (_orders, _executions, _bookings, _events)


async def _opened(domains: _Domains) -> dict[UUID, AllocationOrder]:
    return {row[0]: AllocationOrder(*row) for row in await domains.allocations.rows("allocation_orders")}


async def _allocated(domains: _Domains) -> dict[tuple[UUID, int], Allocated]:
    return {row[:2]: Allocated(*row) for row in await domains.allocations.rows("allocated")}


async def _figures(domains: _Domains) -> dict[str, Any]:
    """How much was looked at."""
    by_status = dict(await domains.holdings.rows("rebalances"))
    [(executions,)] = await domains.trades.rows("count_executions")
    [(fills,)] = await domains.allocations.rows("count_fills")
    [(blocks,)] = await domains.orders.rows("count_block_orders")
    [(bookings,)] = await domains.holdings_before.rows("count_bookings")
    return {
        "rebalances": sum(by_status.values()),
        "blocks": blocks,
        "executions": executions,
        "fills": fills,
        "bookings": bookings,
        "by_status": by_status,
    }
