"""Every statement about a regional table names where its rows live, so that one region answers it: rows of requests by
their locality, rows of events and fences by their region. The tables of the domains of allocations are not regional."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams_app.databases import Statements

ROOT = Path(__file__).parents[2]
APPLICATION = ROOT / "streams_app"
FILES = sorted(APPLICATION.rglob("*.sql"))
SCHEMA = "\n".join(path.read_text() for path in sorted((ROOT / "tables_sql" / "cockroachdb").glob("*/[0-9]*.sql")))
TABLES = dict(
    re.findall(
        r"CREATE TABLE ((?:app\.)?\w+) \(((?:(?!CREATE TABLE).)*?)\)(?: WITH \([^\n]*\)\n )? LOCALITY REGIONAL BY ROW",
        SCHEMA,
        re.DOTALL,
    )
)
BY_REGION = {
    name for name, columns in TABLES.items() if re.search(r"^ +region +STRING NOT NULL", columns, re.MULTILINE)
}
BY_LOCALITY = set(TABLES) - BY_REGION

# Statements that differ, and why.
# They look for rows in places that should hold none.
STRAYS = {
    "requests/verify.sql: rows_live_in_their_region",
    "tracking/verify.sql: events_live_in_their_region",
    "tracking/archive.sql: strangers_event_production_log",
    "tracking/archive.sql: strangers_event_consumption_log",
}
# It writes accounts by their ids, from which the table computes the locality.
COMPUTED = {"generate/histories.sql: add_accounts"}

NAMES = "|".join(map(re.escape, sorted(TABLES, key=len, reverse=True)))
MENTION = re.compile(rf"(\bFROM|\bJOIN|\bINTO|\bUPDATE|\bUSING|,)\s+({NAMES})\b(?:\s+(?:AS\s+)?([a-z]\w*))?")
WORDS = {"on", "using", "where", "set", "join", "left", "group", "order", "limit", "select", "union", "cross", "values"}
LOCALITY = r"(?:%\(locality\)s|ANY\(%\((?:region_)?localities\)s::int2\[\]\))"
REGION = r"%\(region\)s"


def scope(text: str) -> str:
    """`text` up to the end of the SELECT that it begins in."""
    depth = 0
    for found in re.finditer(r"[()]|\bUNION\b", text):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth < 0 or (depth == 0 and found[0] == "UNION"):
            return text[: found.start()]
    return text


def outer(text: str) -> str:
    """`text` without the SELECTs that stand in it: their conditions are their own."""
    while inner := re.search(r"\(\s*SELECT\b", text):
        rest = scope(text[inner.start() + 1 :])
        text = text[: inner.start()] + text[inner.start() + len(rest) + 2 :]
    return text


def names_its_place(verb: str, table: str, alias: str | None, rest: str) -> bool:
    """Whether the rest of a statement says where the rows of a table live."""
    column, parameter = ("region", REGION) if table in BY_REGION else ("locality", LOCALITY)
    if verb == "INTO":
        if column == "region":
            return bool(re.match(rf"[\w\s]*\(region, [^)]*\)\s*(?:SELECT|VALUES \()\s*{REGION},", rest))
        # An account's locality is computed from its id.
        first = "account_id" if table == "account_info" else "locality"
        return bool(re.match(rf"\s*\({first}, ", rest))
    if alias is None or alias.lower() in WORDS:
        return bool(re.search(rf"\bWHERE {column} = {parameter}", outer(rest)))
    other = rf"(?:{parameter}|(?!{alias}\.)\w+\.{column})"
    return bool(re.search(rf"\b{alias}\.{column} = {other}|^[^)]*? {alias} USING \({column}, ", rest))


def without_place(statement: str) -> Iterator[str]:
    """The mentions of regional tables that no place goes with."""
    statement = re.sub(r"--.*", "", statement)
    for mention in MENTION.finditer(statement):
        verb, table, alias = mention.groups()
        if not names_its_place(verb, table, alias, scope(statement[mention.end(2) :])):
            yield f"{verb} {table}"


def not_anchored(statement: str) -> list[str]:
    """Kinds of places that do not come from outside: those that are only equal to each other are unknown."""
    tables = {mention[2] for mention in MENTION.finditer(re.sub(r"--.*", "", statement))}
    missing = []
    if tables & BY_REGION and not re.search(REGION, statement):
        missing.append("no region from outside")
    if tables & BY_LOCALITY and not re.search(r"%\((?:region_)?localit(?:y|ies)\)s", statement):
        missing.append("no locality from outside")
    return missing


def test_the_regional_tables_are_known() -> None:
    assert set(BY_REGION) == {
        "delivery_fence",
        "event_logs",
        "event_session_metrics",
        "event_session_refresh",
        "event_session_touched",
        "event_production_key",
        "event_production_log",
        "event_relay",
        "event_relay_shard",
        "app.orders",
        "app.outbox",
        "event_consumption_key",
        "event_consumption_log",
    }
    assert set(BY_LOCALITY) == {
        "account_info",
        "account_number_claim",
        "request_info",
        "request_account_link",
        "trade_info",
        "request_event_log",
        "request_status_head",
        "request_signal",
        "request_notice",
    }


def test_what_differs_is_there() -> None:
    names = {f"{path.parent.name}/{path.name}: {name}" for path in FILES for name in Statements(path).names()}
    assert names >= STRAYS | COMPUTED


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(APPLICATION)))
def test_every_statement_names_the_place(path: Path) -> None:
    statements = Statements(path)
    wrong = {}
    for name in statements.names():
        text, full_name = statements[name].decode(), f"{path.parent.name}/{path.name}: {name}"
        if full_name in STRAYS:
            continue
        missing = list(without_place(text)) + ([] if full_name in COMPUTED else not_anchored(text))
        if missing:
            wrong[name] = missing
    assert not wrong


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM request_info r WHERE r.request_id = %(id)s", ["FROM request_info"]),
        ("SELECT * FROM request_info WHERE request_id = %(id)s", ["FROM request_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = ANY(%(localities)s::int2[])", []),
        ("SELECT * FROM request_info r WHERE r.region = %(region)s", ["FROM request_info"]),
        ("SELECT * FROM request_info r JOIN trade_info t ON t.account_id = r.id WHERE r.locality = %(locality)s",
         ["JOIN trade_info"]),
        ("SELECT * FROM k, request_info r WHERE r.request_id = k.request_id", [", request_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = k.locality AND EXISTS (SELECT FROM trade_info t WHERE true)",
         ["FROM trade_info"]),
        ("SELECT 1 FROM trade_info UNION SELECT 2 FROM trade_info WHERE locality = %(locality)s", ["FROM trade_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = r.locality", ["FROM request_info"]),
        ("INSERT INTO trade_info (trade_id, locality) SELECT 1, 2", ["INTO trade_info"]),
        ("INSERT INTO request_notice (locality, request_id) SELECT * FROM unnest(1)", []),
        ("INSERT INTO request_notice (request_id) SELECT * FROM unnest(1)", ["INTO request_notice"]),
        ("UPDATE trade_info t SET status_id = 5 FROM k WHERE t.request_id = k.request_id", ["UPDATE trade_info"]),
        ("SELECT * FROM event_production_log WHERE status = 'PENDING'", ["FROM event_production_log"]),
        ("SELECT * FROM event_production_log WHERE region = 'us-east'", ["FROM event_production_log"]),
        ("SELECT * FROM event_production_log WHERE region = %(region)s AND status = 'PENDING'", []),
        ("SELECT * FROM event_production_log, LATERAL (SELECT 1 FROM k WHERE region = %(region)s) AS m",
         ["FROM event_production_log"]),
        ("SELECT * FROM event_relay_shard s JOIN event_relay r ON r.relay_id = s.relay_id WHERE s.region = %(region)s",
         ["JOIN event_relay"]),
        ("DELETE FROM event_relay WHERE seen_until < now()", ["FROM event_relay"]),
        ("DELETE FROM k USING event_consumption_key e WHERE e.event_id = k.event_id", ["USING event_consumption_key"]),
        ("UPDATE event_consumption_log l SET status = 'FAILED' FROM k WHERE l.event_id = k.event_id",
         ["UPDATE event_consumption_log"]),
        ("INSERT INTO event_production_key (event_id, region) SELECT 1, %(region)s", ["INTO event_production_key"]),
        ("INSERT INTO event_production_key (region, event_id) SELECT e.region, 1", ["INTO event_production_key"]),
        ("INSERT INTO event_consumption_key AS k (region, event_id) SELECT %(region)s, 1", []),
        ("INSERT INTO event_relay (region, relay_id) VALUES (%(region)s, %(relay)s)", []),
        ("SELECT * FROM app.orders o WHERE o.id = %(id)s", ["FROM app.orders"]),
        ("INSERT INTO app.outbox (region, event_id) SELECT %(region)s, 1", []),
        ("SELECT block_order_id, orders FROM orders.block_order", []),
    ],
)  # fmt: skip
def test_a_statement_without_it_is_found(statement: str, found: list[str]) -> None:
    assert list(without_place(statement)) == found


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM request_info r JOIN trade_info t ON t.locality = r.locality", ["no locality from outside"]),
        ("SELECT * FROM request_info r WHERE r.locality = x.locality -- %(region)s", ["no locality from outside"]),
        ("SELECT * FROM event_relay r JOIN event_relay_shard s ON s.region = r.region", ["no region from outside"]),
        ("SELECT * FROM event_relay r WHERE r.region = %(region)s", []),
        ("SELECT 1", []),
    ],
)
def test_places_that_are_only_equal_to_each_other_are_found(statement: str, found: list[str]) -> None:
    assert not_anchored(statement) == found
