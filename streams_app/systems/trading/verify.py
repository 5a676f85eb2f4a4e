"""The proof for trading: databases, topics and the exchange tell the same story, each thing once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams_app.databases import Regions, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.snapshots import snapshot_of
from streams_app.settings import Settings
from streams_app.systems.trading.exchange import HttpExchange
from streams_app.systems.trading.messages import ORDER_CREATED
from streams_app.systems.trading.model import FINAL, Execution, locality_of_symbol
from streams_app.systems.trading.verify_checks import (
    AT_THE_EXCHANGE,
    EXCHANGE_IS_OURS,
    EXECUTED_ONCE,
    ORDERS_LIVE_IN_THEIR_REGION,
    STATEMENTS,
)
from streams_app.systems.trading.verify_rows import OrderRow
from streams_app.systems.trading.verify_topics import OnTopics, Topics
from streams_app.verification import Check, Finding, Report, Violation, merged

SQL = Statements(Path(__file__).with_name("verify.sql"))

#: Days that trading.orders keeps an event, less one for clocks.
TOPIC_DAYS = 6


def steps(settings: Settings, *, topics: bool) -> int:
    """How often `verify` calls `on_check`."""
    return (1 + len(STATEMENTS)) * len(settings.regions) + topics


class Rows:
    """What the databases hold: orders by client order id, and the time of each event of the outbox."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderRow] = {}
        self.outbox: dict[str, datetime] = {}


async def verify(
    settings: Settings,
    *,
    grace: float,
    samples: int,
    topics: Topics | None = None,
    exchange: HttpExchange | None = None,
    on_check: Callable[[], None] = lambda: None,
) -> Report:
    """Check all regions; and `topics` and `exchange`, when they are given.

    What is younger than `grace` (seconds) may be on its way. At most `samples` violations of a check are named.
    `on_check` is called after each check of each region. Raises what psycopg, `topics` and `exchange` raise.
    """
    until, rows, findings = time.time() - grace, Rows(), list[Finding]()
    # Before the databases and after: what the exchange has now they know of, and what they know now it has then.
    before = [execution async for execution in exchange.orders()] if exchange is not None else []
    home = Regions({name: region.localities for name, region in settings.regions.items()})
    for region in settings.regions:
        async with snapshot_of(settings, region) as connection:
            findings += await _check_region(connection, settings, home, region, rows, until, samples, on_check)
    by_status = Counter(row.status for row in rows.orders.values())
    figures: dict[str, Any] = {"orders": len(rows.orders), "outbox": len(rows.outbox), "by_status": dict(by_status)}
    if topics is not None:
        found = OnTopics(settings.trading, until, datetime.now(UTC) - timedelta(days=TOPIC_DAYS))
        await found.read(topics, rows.orders, rows.outbox)
        findings += found.findings(samples)
        figures |= _topic_figures(found)
        on_check()
    if exchange is not None:
        after = [execution async for execution in exchange.orders()]
        findings += check_exchange(rows.orders, before, after, samples)
        figures["executions"] = len(after)
    return Report("trading", merged(findings, samples), figures)


def _topic_figures(found: OnTopics) -> dict[str, Any]:
    return {
        "signals": found.signals.records,
        "repeated": found.signals.repeated,
        "refused": len(found.signals.refused),
        "decisions": len(found.decisions),
        "recomputed": found.recomputed,
        "wanted": len(found.wanted),
        "published": len(found.events),
    }


async def _check_region(
    connection: Connection,
    settings: Settings,
    home: Regions,
    region: str,
    rows: Rows,
    until: float,
    samples: int,
    on_check: Callable[[], None],
) -> list[Finding]:
    orders = [OrderRow(*row) for row in await _rows(connection, "orders", region=region)]
    rows.orders |= {order.client_order_id: order for order in orders}
    rows.outbox |= {name: occurred_at for name, _, occurred_at in await _rows(connection, "events", region=region)}
    strays = [order.client_order_id for order in orders if home.of(locality_of_symbol(order.symbol)) != region]
    findings = [_finding(ORDERS_LIVE_IN_THEIR_REGION, region, strays, samples)]
    on_check()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    arguments = {
        "region": region,
        "type": ORDER_CREATED,
        "since": today - timedelta(days=settings.trading.outbox_keep_days),
        "until": datetime.fromtimestamp(until, UTC),
    }
    for check in STATEMENTS:
        offenders = [offender for (offender,) in await _rows(connection, check.name, **arguments)]
        findings.append(_finding(check, region, offenders, samples))
        on_check()
    return findings


def check_exchange(
    orders: Mapping[str, OrderRow], before: list[Execution], after: list[Execution], samples: int
) -> list[Finding]:
    """Hold orders against what the exchange said before they were read, and after."""
    by_name = {execution.client_order_id: execution for execution in after}
    differing = []
    for name, row in orders.items():
        found = by_name.get(name)
        if row.status in FINAL and (found is None or not row.says(found)):
            said = "does not know it" if found is None else f"says {found.status}"
            differing.append(f"order {name} is {row.status}, and the exchange {said}")
    counts = Counter(execution.client_order_id for execution in after)
    twice = [f"order {name}: {count} times" for name, count in counts.items() if count > 1]
    strange = [f"order {execution.client_order_id}" for execution in before if execution.client_order_id not in orders]
    found_of = {AT_THE_EXCHANGE: differing, EXECUTED_ONCE: twice, EXCHANGE_IS_OURS: strange}
    return [_finding(check, "exchange", offenders, samples) for check, offenders in found_of.items()]


def _finding(check: Check, place: str, offenders: list[str], samples: int) -> Finding:
    return Finding(check, len(offenders), tuple(Violation(place, offender) for offender in offenders[:samples]))


async def _rows(connection: Connection, name: str, **arguments: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(SQL[name], arguments)).fetchall()
