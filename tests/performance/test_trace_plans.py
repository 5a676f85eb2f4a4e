"""Questions to the trace store use their indexes, sort nothing that lies in order, and read only the months they must:
plans on a store of sixty days."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from streams_app.databases import Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.trace_store import chains, search, tracer
from tests.performance.filling import fill, nodes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FILL = Path(__file__).with_name("fill_traces.sql")
REGION = "us-east"
NOW = datetime.now(UTC)


def made(text: str) -> UUID:
    """An id as `fill_traces.sql` makes them."""
    return UUID(hashlib.md5(text.encode()).hexdigest())


@dataclass(frozen=True)
class Filled:
    """The full region; its indexes by the names that partitions call them; the months that have rows."""

    app: psycopg.Connection
    indexes: dict[str, str]
    full: set[str]


@pytest.fixture(scope="module")
def filled(fresh_settings: Settings, stack: Any) -> Iterator[Filled]:
    """The database of one region, full, analysed."""
    region = fresh_settings.regions[REGION]
    indexes, tables = fill(fresh_settings, stack, REGION, FILL, b"VACUUM ANALYZE event_logs, event_session_metrics")
    full = {name for name in tables if name.startswith("event_logs_")}
    assert len(full) >= 2
    with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "app")) as app:
        yield Filled(app, indexes, full)


@dataclass(frozen=True)
class Plan:
    """One statement, its arguments, the index that must serve it in every full month, and whether it may sort."""

    name: str
    statements: Statements
    statement: str
    arguments: dict[str, Any]
    index: str
    sorts: bool = False


LONG, SHORT = made("s0"), made("s7")
PAGE = {"region": REGION, "limit": 1001, "bytes": 16 * 1024 * 1024}
TWO_MONTHS = {**PAGE, "session": LONG, "since": NOW - timedelta(days=70)}
AFTER = {"after_time": NOW - timedelta(days=20), "after_id": LONG}
EVER = {**PAGE, "limit": 101, "since": search._BEGINNING, "until": search._END, "payload": None, "metadata": None}
LOOK = {**PAGE, "ids": [made("c7-1")], "hops": [0], "most": 5, "exchanges": 1001}
MANY = {**LOOK, "ids": [made(f"c7-{n}") for n in range(7)], "hops": [0] * 7}
RARE = {"payload": '{"number": 170001}'}
CORRELATION = "idx_event_logs_correlation_id"
SESSION, PAYLOAD, METADATA = (
    "idx_event_logs_session_timestamp",
    "idx_event_logs_payload_gin",
    "idx_event_logs_metadata_gin",
)

PLANS = [
    Plan("a long session", tracer.SQL, "trace", TWO_MONTHS, SESSION),
    Plan("a session of an hour", tracer.SQL, "trace", {**TWO_MONTHS, "session": SHORT}, SESSION),
    Plan("a short page", tracer.SQL, "trace", {**TWO_MONTHS, "limit": 11}, SESSION),
    Plan("the next page", tracer.SQL, "trace_after", {**TWO_MONTHS, **AFTER}, SESSION),
    Plan("a timeline", tracer.SQL, "timeline", {**PAGE, "session": LONG}, SESSION),
    Plan("a rare payload", search.SQL, "search", {**EVER, **RARE}, PAYLOAD, sorts=True),
    Plan("its next page", search.SQL, "search_after", {**EVER, **RARE, **AFTER, "rank": 1}, PAYLOAD, sorts=True),
    Plan("rare metadata", search.SQL, "search", {**EVER, "metadata": '{"host": "host-7"}'}, METADATA, sorts=True),
    Plan("an exchange", chains.SQL, "look", LOOK, CORRELATION, sorts=True),
    Plan("many exchanges", chains.SQL, "look", MANY, CORRELATION, sorts=True),
    Plan("what followed", chains.SQL, "look", LOOK, "event_logs_parent", sorts=True),
]  # fmt: skip


def explained(filled: Filled, statements: Statements, name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    with filled.app.transaction(force_rollback=True):
        [(shown,)] = filled.app.execute(b"EXPLAIN (FORMAT JSON) " + statements[name], arguments).fetchall()
    return list(nodes(shown[0]["Plan"]))


def months(filled: Filled, found: list[dict[str, Any]]) -> set[str]:
    """The full months that a plan reads."""
    return {node["Relation Name"] for node in found if "Relation Name" in node} & filled.full


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_question_uses_its_index(filled: Filled, plan: Plan) -> None:
    found = explained(filled, plan.statements, plan.statement, plan.arguments)
    shown = json.dumps(found, indent=1)[:20_000]
    used = [filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")]
    assert used.count(plan.index) >= len(months(filled, found)) >= 1, shown
    assert not {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"} & filled.full, shown
    if not plan.sorts:
        assert set(used) == {plan.index}, shown
        assert not [node for node in found if "Sort" in node["Node Type"]], shown


def test_all_events_of_a_session_are_found_by_their_session(filled: Filled) -> None:
    for statement in ("metrics", "extent"):
        found = explained(filled, tracer.SQL, statement, TWO_MONTHS)
        used = {filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")}
        assert used <= {SESSION, "idx_event_logs_session_id"}, json.dumps(found, indent=1)[:20_000]


def test_what_is_common_is_found_by_time(filled: Filled) -> None:
    """Half of the store holds it: the newest are read first, and reading ends with the page."""
    found = explained(filled, search.SQL, "search", {**EVER, "payload": '{"schema_version": "1.0"}'})
    used = [filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")]
    assert used.count("idx_event_logs_timestamp") >= len(filled.full)
    assert "Sort" not in {node["Node Type"] for node in found}, "only events of one moment are sorted"


def test_a_range_of_time_reads_its_months_only(filled: Filled) -> None:
    newest = max(filled.full)
    since = {"since": datetime.strptime(newest[-6:], "%Y%m").replace(tzinfo=UTC)}
    ever = explained(filled, tracer.SQL, "trace", TWO_MONTHS)
    assert months(filled, ever) == filled.full
    for statements, name, arguments in (
        (tracer.SQL, "trace", {**TWO_MONTHS, **since}),
        (tracer.SQL, "trace_after", {**TWO_MONTHS, **since, **AFTER}),
        (tracer.SQL, "extent", {**TWO_MONTHS, **since}),
        (search.SQL, "search", {**EVER, **RARE, **since}),
    ):
        assert months(filled, explained(filled, statements, name, arguments)) == {newest}, name
    old = NOW - timedelta(days=45)
    found = months(filled, explained(filled, search.SQL, "search", {**EVER, **RARE, "until": old}))
    assert found == {month for month in filled.full if month <= f"event_logs_{old:%Y%m}"}
    place = {**AFTER, "after_time": old, "rank": 1}
    assert months(filled, explained(filled, search.SQL, "search_after", {**EVER, **RARE, **place})) == found


def test_the_latest_sessions_lie_in_the_order_of_their_index(filled: Filled) -> None:
    for name in ("sessions", "sessions_after"):
        found = explained(filled, search.SQL, name, {"region": REGION, "limit": 51, **AFTER})
        used = {filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")}
        assert used == {"event_session_metrics_last"}
        assert not [node for node in found if "Sort" in node["Node Type"]]


def test_a_new_month_without_statistics_is_read_by_the_same_indexes(filled: Filled) -> None:
    """Until it is analysed the planner thinks that few rows are of a region: no index may begin with that."""
    following = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)
    copied = (
        b"INSERT INTO event_logs (region, event_id, session_id, correlation_id, event_type, topic, status, payload,"
        b' "timestamp") SELECT region, event_id, session_id, correlation_id, event_type, topic, status, payload,'
        b" %(first)s + row_number() OVER () * interval '1 second' FROM (SELECT * FROM event_logs LIMIT 5000) AS l"
    )
    with filled.app.transaction(force_rollback=True):
        filled.app.execute(copied, {"first": following})
        for statements, name, arguments in (
            (tracer.SQL, "trace", {**TWO_MONTHS, "session": SHORT}),
            (tracer.SQL, "metrics", {**PAGE, "session": SHORT}),
            (chains.SQL, "look", LOOK),
        ):
            found = explained(filled, statements, name, arguments)
            used = {filled.indexes[node["Index Name"]] for node in found if node.get("Index Name")}
            assert "event_logs_pkey" not in used, json.dumps(found, indent=1)[:20_000]
