"""Hot statements use their indexes: plans on 200,000 requests of one region, never times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from streams_app.databases import Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests import recorded_store, signals, store, stories
from streams_app.systems.requests.generate import answers, histories
from tests.performance.filling import nodes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FILL = Path(__file__).with_name("fill.sql")
REGION = list(range(10))
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def filled(fresh_settings: Settings, stack: Any) -> Iterator[psycopg.Connection]:
    """The database of one region, full, analysed."""
    region = fresh_settings.regions["us-east"]
    host, _, port = region.server.rpartition(":")
    arguments = {"host": host, "port": port, "dbname": fresh_settings.database.name, "user": "postgres"}
    with psycopg.connect(**arguments, password=stack.site.secret("postgres"), autocommit=True) as administrator:
        administrator.execute(FILL.read_bytes())
        administrator.execute(b"VACUUM ANALYZE")
        [(requests,)] = administrator.execute(b"SELECT count(*) FROM request_info").fetchall()
        assert requests == 200_000
    with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "app")) as connection:
        yield connection


def ids(letter: str) -> list[UUID]:
    """Twenty ids that are there."""
    return [UUID(hashlib.md5(f"{letter}{i}".encode()).hexdigest()) for i in range(1, 21)]


def keys(**more: Any) -> dict[str, Any]:
    """Arguments of the statements that take keys of requests."""
    return {"localities": [i % 10 for i in range(20)], "request_ids": ids("r"), **more}


def accounts(**more: Any) -> dict[str, Any]:
    """Arguments of the statements that take keys of accounts."""
    return {"localities": [i % 10 for i in range(20)], "account_ids": ids("a"), **more}


def region(**more: Any) -> dict[str, Any]:
    """Arguments of the statements about a whole region."""
    return {"localities": REGION, "limit": 100, **more}


ANY = {"type": None, "status": None, "state": None}
LATE = {"link_ids": [2001, 2002, 2003], "before": [NOW - timedelta(days=20)] * 3}
HEARD = {"link_ids": [2003, 2003], "kinds": ["approve", "reject"], "before": NOW}
STEPS = {"expected_seqs": [1] * 20, "link_ids": [2002] * 20, "status_ids": [2] * 20, "event_times": [NOW] * 20}
SENT = {"signal_ids": ids("s"), "kinds": ["cancel"] * 20, "actors": ["x"] * 20, "payloads": ["{}"] * 20}
CHANGES = {"changes": ["{}"] * 20}
UNANSWERED = {"link_ids": [2001, 2002, 2003, 2004], "since": NOW - timedelta(days=1), "after": UUID(int=0)}
ONE = {"locality": 3, "request_id": ids("r")[0]}

# Both begin with locality and request; which one a plan takes is a toss-up.
LOG_OR_CAUSES = "request_event_log_pkey or request_event_log_locality_request_id_action_state_link_id__key"
REQUEST, HEAD, LOG = "request_info_pkey", "request_status_head_pkey", "request_event_log_pkey"
SIGNAL, ACCOUNT, TRADE = "request_signal_pkey", "account_info_pkey", "trade_info_request"
INCOMPLETE, LINK = "request_status_head_incomplete", "request_account_link_pkey"

# Statement, arguments, and the indexes that its plan must name.
PLANS: list[tuple[Statements, str, dict[str, Any], set[str]]] = [
    (store.SQL, "load_requests", keys(), {REQUEST, HEAD, LOG, SIGNAL}),
    (store.SQL, "load_links", keys(), {LINK}),
    (store.SQL, "load_trades", keys(), {TRADE}),
    (store.SQL, "load_accounts", accounts(), {ACCOUNT}),
    (
        store.SQL,
        "load_account_use",
        accounts(request_ids=ids("r"), region_localities=REGION),
        {"request_info_open_by_account", "request_account_link_account", "trade_info_account", REQUEST},
    ),
    (store.SQL, "lock_accounts", accounts(versions=[1] * 20), {ACCOUNT}),
    (store.SQL, "move_heads", keys(**STEPS), {HEAD}),
    (store.SQL, "insert_heads", keys(**STEPS), {HEAD}),
    (store.SQL, "update_requests", keys(status_ids=[3] * 20), {REQUEST}),
    (store.SQL, "update_accounts", accounts(**CHANGES), {ACCOUNT}),
    (store.SQL, "update_trades", keys(status_ids=[3] * 20), {TRADE}),
    (store.SQL, "find_overdue", region(**LATE), {INCOMPLETE}),
    (store.SQL, "find_headless", region(before=NOW), {"request_info_pending"}),
    (store.SQL, "find_unheard", region(**HEARD), {INCOMPLETE, SIGNAL, LOG_OR_CAUSES}),
    (signals.SQL, "find_localities", {"localities": REGION, "request_id": ids("r")[0]}, {REQUEST}),
    (signals.SQL, "send_signals", keys(**SENT), {REQUEST, HEAD, SIGNAL}),
    # "All incomplete requests" of a region, by the time of their last step.
    (answers.SQL, "find_unanswered", region(**UNANSWERED), {INCOMPLETE}),
    (answers.SQL, "find_open", keys(), {HEAD}),
    (
        histories.SQL,
        "claim_numbers",
        accounts(numbers=[f"A{i}" for i in range(20)]),
        {"account_number_claim_pkey"},
    ),
    # The newest requests, and "latest event per request".
    (stories.SQL, "list", region(**ANY), {"request_info_recent", HEAD, LOG}),
    (stories.SQL, "request", ONE, {REQUEST}),
    (stories.SQL, "events", ONE, {LOG_OR_CAUSES}),
    (stories.SQL, "links", ONE, {LINK}),
    (stories.SQL, "trades", ONE, {TRADE}),
    (stories.SQL, "signals", ONE, {SIGNAL}),
    (recorded_store.SQL, "events", keys(), {LOG_OR_CAUSES}),
    (recorded_store.SQL, "links", keys(), {LINK}),
    (recorded_store.SQL, "trades", keys(), {TRADE}),
]
# Small tables: a plan may well read them whole.
STATIC = {"request_type", "request_action_type", "request_state", "request_status", "request_action_state_link"}


@pytest.mark.parametrize(("statements", "name", "arguments", "indexes"), PLANS, ids=[plan[1] for plan in PLANS])
def test_a_hot_statement_uses_its_indexes(
    filled: psycopg.Connection, statements: Statements, name: str, arguments: dict[str, Any], indexes: set[str]
) -> None:
    with filled.transaction(force_rollback=True):
        [(plan,)] = filled.execute(b"EXPLAIN (FORMAT JSON) " + statements[name], arguments).fetchall()
    found = list(nodes(plan[0]["Plan"]))
    shown = json.dumps(plan, indent=1)
    scanned = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
    assert scanned <= STATIC, shown
    used = {node["Index Name"] for node in found if "Index Name" in node}
    used |= {index for node in found for index in node.get("Conflict Arbiter Indexes", ())}
    assert all(used & set(index.split(" or ")) for index in indexes), shown


def test_overdue_requests_come_sorted_and_without_their_rows(filled: psycopg.Connection) -> None:
    with filled.transaction(force_rollback=True):
        [(plan,)] = filled.execute(b"EXPLAIN (FORMAT JSON) " + store.SQL["find_overdue"], region(**LATE)).fetchall()
    types = [node["Node Type"] for node in nodes(plan[0]["Plan"])]
    assert "Index Only Scan" in types
    assert "Sort" not in types
