"""Hot statements use their indexes: plans on 50,000 requests, never times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.store import SQL

pytestmark = pytest.mark.stack

REQUESTS = 50_000

FILL = """
SET session_replication_role = replica;
INSERT INTO account_info (account_id, account_number, account_name)
SELECT md5('a' || i)::uuid, 'A' || i, 'A' FROM generate_series(1, 10000) i;
INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, requested_by, request_status_id)
SELECT i % 10, md5('r' || i)::uuid, 2, md5('a' || i % 10000)::uuid, 'x', CASE WHEN i % 50 = 0 THEN 2 ELSE 3 END
  FROM generate_series(1, 50000) i;
INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, actor,
                               idempotency_key)
SELECT i % 10, md5('r' || i)::uuid, n, 2002, 2, now(), 'x', 'step-' || n
  FROM generate_series(1, 50000) i, generate_series(1, 5) n;
INSERT INTO request_status_head (locality, request_id, action_state_link_id, status_id, event_ts, seq_num)
SELECT i % 10, md5('r' || i)::uuid, 2002, CASE WHEN i % 50 = 0 THEN 2 ELSE 3 END, now(), 5
  FROM generate_series(1, 50000) i;
INSERT INTO request_account_link (request_id, account_id, role)
SELECT md5('r' || i)::uuid, md5('a' || i % 10000)::uuid, 'PRIMARY' FROM generate_series(1, 50000) i;
INSERT INTO trade_info (locality, trade_id, request_id, account_id, symbol, side, quantity, price, currency, status_id)
SELECT i % 10, md5('t' || i)::uuid, md5('r' || i)::uuid, md5('a' || i % 10000)::uuid, 'S', 'BUY', 1, 1, 'USD', 3
  FROM generate_series(1, 50000) i;
INSERT INTO request_signal (locality, request_id, signal_id, kind, actor)
SELECT i % 10, md5('r' || i)::uuid, md5('s' || i)::uuid, 'approve', 'x' FROM generate_series(1, 50000) i;
"""


@pytest.fixture(scope="module")
def filled(fresh_settings: Settings, stack: Any) -> Iterator[psycopg.Connection]:
    """The database of one region, full, analysed."""
    region = fresh_settings.regions["us-east"]
    host, _, port = region.server.rpartition(":")
    arguments = {"host": host, "port": port, "dbname": fresh_settings.database.name, "user": "postgres"}
    with psycopg.connect(**arguments, password=stack.site.secret("postgres"), autocommit=True) as administrator:
        administrator.execute(FILL.encode())
        administrator.execute(b"VACUUM ANALYZE")
    with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "app")) as connection:
        yield connection


def request_ids() -> list[UUID]:
    """Twenty requests that are there."""
    import hashlib

    return [UUID(hashlib.md5(f"r{i}".encode()).hexdigest()) for i in range(1, 21)]


def keys() -> dict[str, Any]:
    """Arguments of the statements that take keys of requests."""
    return {"localities": [i % 10 for i in range(1, 21)], "request_ids": request_ids()}


def late() -> dict[str, Any]:
    """Arguments of find_overdue."""
    return {"link_ids": [2001, 2002, 2003], "before": [datetime.now(UTC) - timedelta(days=1)] * 3, "limit": 100}


STATEMENTS: dict[str, Any] = {
    "load_requests": keys,
    "load_links": keys,
    "load_trades": keys,
    "load_account_use": lambda: {"account_ids": request_ids(), "request_ids": request_ids()},
    "find_overdue": late,
    "find_headless": lambda: {"before": datetime.now(UTC), "limit": 100},
    "update_requests": lambda: keys() | {"status_ids": [3] * 20},
    "update_trades": lambda: keys() | {"status_ids": [3] * 20},
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_hot_statement_reads_a_whole_table(filled: psycopg.Connection, name: str) -> None:
    with filled.transaction(force_rollback=True):
        [(plan,)] = filled.execute(b"EXPLAIN (FORMAT JSON) " + SQL[name], STATEMENTS[name]()).fetchall()
    assert "Seq Scan" not in json.dumps(plan), json.dumps(plan, indent=1)
