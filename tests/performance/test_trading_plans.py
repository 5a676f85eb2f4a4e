"""What trading asks its tables on the way of an order, and what people look at, uses an index: plans on two days."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.trading import lookups, outbox, store, verify
from tests.performance.filling import fill, nodes

pytestmark = pytest.mark.stack

FILL = Path(__file__).with_name("fill_trading.sql")
REGION = "us-east"
NOW = datetime.now(UTC)
IDS = [UUID(hashlib.md5(f"o{n}".encode()).hexdigest()) for n in range(1, 200)]


@dataclass(frozen=True)
class Filled:
    """The full region, and its indexes by the names that partitions call them."""

    app: psycopg.Connection
    indexes: dict[str, str]


@pytest.fixture(scope="module")
def filled(fresh_settings: Settings, stack: Any) -> Iterator[Filled]:
    """The database of one region, full, analysed."""
    indexes, _ = fill(fresh_settings, stack, REGION, FILL, b"VACUUM ANALYZE app.orders, app.outbox")
    server = fresh_settings.regions[REGION].server
    with psycopg.connect(**connect_arguments(fresh_settings.database, server, "app")) as app:
        yield Filled(app, indexes)


EXECUTIONS = {
    "ids": IDS, "statuses": ["REJECTED"] * len(IDS), "exchange_order_ids": ["x"] * len(IDS),
    "quantities": [None] * len(IDS), "prices": [Decimal(1)] * len(IDS), "reasons": ["r"] * len(IDS),
}  # fmt: skip
DAY = {"since": NOW - timedelta(minutes=10), "until": NOW}

PLANS = {
    "known": (store.SQL["known"], {"ids": IDS}, "orders_pkey"),
    "sent": (store.SQL["sent"], {"ids": IDS, "event_ids": IDS}, "orders_pkey"),
    "finish": (store.SQL["finish"], EXECUTIONS, "orders_pkey"),
    "the newest orders": (lookups.SQL["newest_orders"], {"limit": 20}, "orders_created"),
    "the newest events": (lookups.SQL["newest_events"], {"limit": 20}, "outbox_occurred"),
    "events of a stretch": (outbox.SQL["events"], DAY, "outbox_occurred"),
    "what waits": (verify.SQL["orders_are_executed"], {"until": NOW - timedelta(hours=16)}, "orders_open"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_statement_uses_its_index(filled: Filled, name: str) -> None:
    statement, arguments, index = PLANS[name]
    with filled.app.transaction(force_rollback=True):
        [(shown,)] = filled.app.execute(
            b"EXPLAIN (FORMAT JSON) " + statement, {"region": REGION, **arguments}
        ).fetchall()
    found = list(nodes(shown[0]["Plan"]))
    used = {filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")}
    assert index in used, json.dumps(found, indent=1)[:5000]
    assert not [node for node in found if node["Node Type"] == "Seq Scan" and node["Plan Rows"] > 100]
    assert name.startswith("the newest") <= ("Sort" not in {node["Node Type"] for node in found})
