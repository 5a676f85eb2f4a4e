"""Statements of the logs of events use their indexes, and only the days that they must: plans on forty days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from streams_app.databases import Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.tracking import consumption, days, figures, leases, lookups, publisher, resending, retries
from tests.performance.filling import fill, nodes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FILL = Path(__file__).with_name("fill_tracking.sql")
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
REGION = "us-east"
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
EVENTS = [f"e0-{i}" for i in range(1, 21)]
# A twentieth of the day so far: the same share of its rows at any hour.
WINDOW = {"seconds": max((NOW - TODAY).total_seconds() / 20, 1.0)}


@dataclass(frozen=True)
class Filled:
    """The full region, for the application and the owner; its indexes by the names that partitions call them; the
    tables that have rows."""

    app: psycopg.Connection
    owner: psycopg.Connection
    indexes: dict[str, str]
    full: set[str]


@pytest.fixture(scope="module")
def filled(fresh_settings: Settings, stack: Any) -> Iterator[Filled]:
    """The database of one region, full, analysed."""
    region = fresh_settings.regions[REGION]
    indexes, tables = fill(fresh_settings, stack, REGION, FILL, b"VACUUM ANALYZE")
    full = {name for name in tables if name.startswith("event_")}
    assert len(full) == 2 * 41 + 2
    with (
        psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "app")) as app,
        psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "owner")) as owner,
    ):
        yield Filled(app, owner, indexes, full)


@dataclass(frozen=True)
class Plan:
    """One statement, its arguments, the indexes that its plan must name, and how many full tables it may touch."""

    statements: Statements
    name: str
    arguments: dict[str, Any]
    indexes: set[str]
    tables: int | None = None


def some(**more: Any) -> dict[str, Any]:
    return {"region": REGION, "limit": 100, **more}


def narrow(**more: Any) -> dict[str, Any]:
    """Arguments of a search that is not narrowed."""
    return some(**{"topic": None, "service": None, "group": None, "status": None, "event_ids": None, **more})


CREATED = {"event_ids": EVENTS, "created": [TODAY] * 20, "oldest": TODAY, "newest": NOW}
OPEN = {"since": NOW - timedelta(hours=1), "until": NOW + timedelta(hours=1), "shards": list(range(16))}
PUBLISHED = {**CREATED, "partitions": [1] * 20, "offsets": list(range(20)), "shards": list(range(16))}
UNPUBLISHED = {"statuses": ["PENDING"] * 20, "tries": [1] * 20, "errors": ["x"] * 20, "pauses": [1.0] * 20}
GIVEN = {
    "event_ids": EVENTS,
    "topics": ["t"] * 20,
    "keys": ["k"] * 20,
    "types": ["T"] * 20,
    "payloads": ["{}"] * 20,
    "correlation_ids": ["c"] * 20,
    "digests": ["d"] * 20,
    "shards": [1] * 20,
    "service": "s",
    "max_retries": 3,
}
CONSUMED = {**GIVEN, "partitions": [1] * 20, "offsets": [1] * 20, "group": "g", "ms": 5, "created": [TODAY] * 20}
BETWEEN = {"oldest": TODAY, "newest": NOW}
FAILED = {**CONSUMED, "tries": 1, "error": "x", "stack": "x"}
SLICE = {"made_since": YESTERDAY, "made_until": NOW, "since": YESTERDAY, "until": NOW}
MONTH = {"since": NOW - timedelta(days=30), "until": NOW, "after_time": NOW - timedelta(days=30), "after_id": ""}
OLD = dict(zip(("since", "until"), days.bounds((NOW - timedelta(days=35)).date()), strict=True))

PENDING = "event_production_open or idx_prod_status_created"
UNDONE = "idx_prod_status_created or idx_prod_service or event_production_open"
UNPROCESSED = "idx_cons_status_created or idx_cons_consumer_group or idx_cons_service"
PRODUCTION, CONSUMPTION = "event_production_log_pkey", "event_consumption_log_pkey"
PRODUCTION_KEY, CONSUMPTION_KEY = "event_production_key_pkey", "event_consumption_key_pkey"

PLANS = [
    # Relays: what waits, by the indexes of what waits; what is done is found where its time says.
    Plan(leases.SQL, "take", some(**OPEN), {PENDING, "event_production_waiting"}, 2),
    Plan(leases.SQL, "anything", some(**OPEN), {PENDING}, 2),
    Plan(leases.SQL, "horizon", some(), {"idx_prod_status_created"}),
    Plan(leases.SQL, "take_back", some(**OPEN), {UNDONE}, 2),
    Plan(leases.SQL, "taken", some(**OPEN), {UNDONE}, 2),
    Plan(leases.SQL, "published", some(**PUBLISHED), {f"{PRODUCTION} or {UNDONE}"}, 1),
    Plan(leases.SQL, "unpublished", some(**PUBLISHED, **UNPUBLISHED), {f"{PRODUCTION} or {UNDONE}"}, 1),
    # Publishers and consumers: the keys, whatever the day.
    Plan(publisher.SQL, "publish", some(**GIVEN), {PRODUCTION_KEY}, 1),
    Plan(publisher.SQL, "find_conflicts", some(**GIVEN), {PRODUCTION_KEY}, 1),
    Plan(consumption.SQL, "receive", some(**CONSUMED), {CONSUMPTION_KEY}, 1),
    Plan(consumption.SQL, "claim", some(**CONSUMED), {CONSUMPTION_KEY}, 1),
    Plan(consumption.SQL, "find_others", some(**CONSUMED), {CONSUMPTION_KEY}, 1),
    Plan(consumption.SQL, "find_same", some(**CONSUMED, **BETWEEN), {CONSUMPTION}, 1),
    Plan(consumption.SQL, "adopt", some(**CONSUMED), {CONSUMPTION_KEY}, 1),
    Plan(consumption.SQL, "find_open", some(**CONSUMED), {CONSUMPTION_KEY}, 1),
    Plan(consumption.SQL, "begin", some(**CREATED, group="g"), {f"{CONSUMPTION} or {UNPROCESSED}"}, 1),
    Plan(consumption.SQL, "finish", some(**CREATED, group="g", ms=5), {CONSUMPTION}, 1),
    Plan(consumption.SQL, "write_outcome", some(**CONSUMED), set()),
    Plan(consumption.SQL, "rewrite_outcome", some(**CONSUMED), {CONSUMPTION}),
    Plan(consumption.SQL, "fail", some(**FAILED), {CONSUMPTION_KEY, CONSUMPTION}),
    # Figures: what is not done, and what was made not long ago.
    Plan(figures.SQL, "backlog", some(), {UNDONE, UNPROCESSED}),
    Plan(figures.SQL, "produced", some(**WINDOW), {"event_production_created"}, 2),
    Plan(figures.SQL, "consumed", some(**WINDOW), {"event_consumption_created"}, 2),
    # People who look.
    Plan(lookups.SQL, "failed_produced", narrow(since=MONTH["since"]), {UNDONE}, 31),
    Plan(lookups.SQL, "failed_consumed", narrow(since=MONTH["since"]), {UNPROCESSED}, 31),
    Plan(lookups.SQL, "production_keys", some(event_id="e7-7"), {PRODUCTION_KEY}, 1),
    Plan(lookups.SQL, "productions", some(event_id="e7-7"), {PRODUCTION}),
    Plan(lookups.SQL, "consumption_keys", some(event_id="e7-7", groups=["g"]), {CONSUMPTION_KEY}, 1),
    Plan(lookups.SQL, "consumptions", some(event_id="e7-7"), {CONSUMPTION}),
    Plan(lookups.SQL, "productions_of_correlation", some(correlation_id="c7-7"), {"idx_prod_correlation"}),
    Plan(lookups.SQL, "consumptions_of_correlation", some(correlation_id="c7-7"), {"idx_cons_correlation"}),
    # What is tried or sent again.
    Plan(
        resending.SQL,
        "page",
        narrow(**SLICE, topic="t1", partition=1, after=0, last=10**9),
        {"idx_cons_topic_partition_offset"},
        2,
    ),
    Plan(retries.SQL, "failed_page", narrow(**MONTH), {UNDONE}, 31),
    Plan(retries.SQL, "count_failed", narrow(**MONTH), {UNDONE}, 31),
    Plan(retries.SQL, "retry", some(**CREATED, retry_id="r"), {f"{PRODUCTION} or {UNDONE}"}),
    # Days that go.
    Plan(days.SQL, "open_event_production_log", some(), {UNDONE}),
    Plan(days.SQL, "open_event_consumption_log", some(), {UNPROCESSED}),
    Plan(days.SQL, "keys_event_production_log", some(**OLD), {"event_production_key_created"}, 1),
    Plan(days.SQL, "keys_event_consumption_log", some(**OLD), {"event_consumption_key_created"}, 1),
    Plan(days.SQL, "remove_keys_event_production_log", some(**OLD, event_ids=EVENTS), {PRODUCTION_KEY}, 1),
    Plan(
        days.SQL,
        "remove_keys_event_consumption_log",
        some(**OLD, event_ids=EVENTS, groups=["g"] * 20),
        {CONSUMPTION_KEY},
        1,
    ),
]


def explained(filled: Filled, plan: Plan) -> list[dict[str, Any]]:
    connection = filled.owner if plan.statements is days.SQL else filled.app
    with connection.transaction(force_rollback=True):
        statement = b"EXPLAIN (FORMAT JSON) " + plan.statements[plan.name]
        [(shown,)] = connection.execute(statement, plan.arguments).fetchall()
    return list(nodes(shown[0]["Plan"]))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_statement_uses_its_indexes(filled: Filled, plan: Plan) -> None:
    found = explained(filled, plan)
    shown = json.dumps(found, indent=1)[:20_000]
    scanned = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
    assert not scanned & filled.full, shown
    used = {filled.indexes[node["Index Name"]] for node in found if "Index Name" in node}
    used |= {filled.indexes.get(i, i) for node in found for i in node.get("Conflict Arbiter Indexes", ())}
    assert all(used & set(index.split(" or ")) for index in plan.indexes), (used, shown)
    read = {n["Relation Name"] for n in found if "Relation Name" in n and n["Node Type"] != "ModifyTable"}
    written = {name for n in found if "Conflict Arbiter Indexes" in n for name in [n["Relation Name"]]}
    assert plan.tables is None or len((read | written) & filled.full) <= plan.tables, shown


def test_a_backlog_is_taken_in_the_order_of_its_index(filled: Filled) -> None:
    """Ten thousand events wait: sorting all of them for every few would cost more with each that comes."""
    with filled.owner.transaction(force_rollback=True):
        filled.owner.execute(
            b"UPDATE event_production_log SET status = 'PENDING' WHERE created_at >= %s AND id %% 2 = 0", [TODAY]
        )
        filled.owner.execute(b"ANALYZE event_production_log")
        statement = b"EXPLAIN (FORMAT JSON) " + leases.SQL["take"]
        [(shown,)] = filled.owner.execute(statement, some(**OPEN)).fetchall()
    found = list(nodes(shown[0]["Plan"]))
    used = {filled.indexes[node["Index Name"]] for node in found if "Index Name" in node}
    assert {"event_production_open", "event_production_waiting"} <= used, json.dumps(found, indent=1)[:20_000]


@pytest.mark.parametrize("log", days.LOGS)
@pytest.mark.parametrize("name", ["rows", "digest"])
def test_one_day_is_read_of_all(filled: Filled, name: str, log: str) -> None:
    found = explained(filled, Plan(days.SQL, f"{name}_{log}", some(**OLD), set()))
    assert {node["Relation Name"] for node in found if "Relation Name" in node} == {
        days.Day(log, OLD["since"].date()).table
    }
