"""Every statement about a regional table names the locality, so that one region answers it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams_app.databases import Statements

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "streams_app").rglob("*.sql"))
SCHEMA = "\n".join(path.read_text() for path in (ROOT / "tables_sql" / "cockroachdb").glob("*/[0-9]*.sql"))
REGIONAL = re.findall(r"CREATE TABLE (\w+) \((?:(?!CREATE TABLE).)*?LOCALITY REGIONAL BY ROW", SCHEMA, re.DOTALL)
# Has no locality: its rows are named by the region itself.
BY_REGION = {"delivery_fence"}
# Reads what may not be there at all, in whatever locality.
ALL_ROWS = {"rows_live_in_their_region"}

MENTION = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE)\s+({'|'.join(REGIONAL)})\b(?:\s+(?:AS\s+)?([a-z]\w*))?")
WORDS = {"on", "using", "where", "set", "join", "left", "group", "order", "limit", "select", "union", "cross", "values"}
PARAMETER = r"(?:%\(locality\)s|ANY\(%\((?:region_)?localities\)s::int2\[\]\))"


def scope(text: str) -> str:
    """`text` up to the end of the SELECT that it begins in."""
    depth = 0
    for found in re.finditer(r"[()]|\bUNION\b", text):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth < 0 or (depth == 0 and found[0] == "UNION"):
            return text[: found.start()]
    return text


def without_locality(statement: str) -> Iterator[str]:
    """The mentions of regional tables that no locality goes with."""
    statement = re.sub(r"--.*", "", statement)
    for mention in MENTION.finditer(statement):
        verb, table, alias = mention.groups()
        rest = scope(statement[mention.end(2) :])
        if table in BY_REGION:
            named = re.search(r"\bregion\b", rest)
        elif verb == "INTO":
            # An account's locality is computed from its id.
            named = re.match(r"\s*\((?:locality|account_id), ", rest)
        elif alias is None or alias.lower() in WORDS:
            named = re.search(rf"\bWHERE locality = {PARAMETER}", rest)
        else:
            other = rf"(?:{PARAMETER}|(?!{alias}\.)\w+\.locality)"
            named = re.search(rf"\b{alias}\.locality = {other}|^[^)]*? {alias} USING \(locality, ", rest)
        if not named:
            yield f"{verb} {table}"


def anchored(statement: str) -> bool:
    """Whether the localities come from outside, so that those that are only equal to each other are known."""
    return re.search(r"%\((?:region_)?localit(?:y|ies)\)s|%\(region\)s", statement) is not None


def test_the_regional_tables_are_known() -> None:
    assert set(REGIONAL) == BY_REGION | {
        "account_info",
        "account_number_claim",
        "request_info",
        "request_account_link",
        "trade_info",
        "request_event_log",
        "request_status_head",
        "request_signal",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_statement_names_the_locality(path: Path) -> None:
    statements = Statements(path)
    wrong = {}
    for name in statements.names():
        text = statements[name].decode()
        if not MENTION.search(text) or name in ALL_ROWS:
            continue
        missing = list(without_locality(text))
        # An account is written by its id alone.
        if missing or not (anchored(text) or name == "add_accounts"):
            wrong[name] = missing or ["no locality from outside"]
    assert not wrong


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM request_info r WHERE r.request_id = %(id)s", ["FROM request_info"]),
        ("SELECT * FROM request_info WHERE request_id = %(id)s", ["FROM request_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = ANY(%(localities)s::int2[])", []),
        ("SELECT * FROM request_info r JOIN trade_info t ON t.account_id = r.id WHERE r.locality = %(locality)s",
         ["JOIN trade_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = k.locality AND EXISTS (SELECT FROM trade_info t WHERE true)",
         ["FROM trade_info"]),
        ("SELECT 1 FROM trade_info UNION SELECT 2 FROM trade_info WHERE locality = %(locality)s", ["FROM trade_info"]),
        ("SELECT * FROM request_info r WHERE r.locality = r.locality", ["FROM request_info"]),
        ("INSERT INTO trade_info (trade_id, locality) SELECT 1, 2", ["INTO trade_info"]),
        ("UPDATE trade_info t SET status_id = 5 FROM k WHERE t.request_id = k.request_id", ["UPDATE trade_info"]),
    ],
)  # fmt: skip
def test_a_statement_without_it_is_found(statement: str, found: list[str]) -> None:
    assert list(without_locality(statement)) == found
