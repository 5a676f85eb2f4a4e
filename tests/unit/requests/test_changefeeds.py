"""What the changefeeds of tables_sql/cockroachdb send is what the agents of the requests system read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from streams_app.changefeed import Change, Op, Record
from streams_app.systems.requests.agents import TOPICS, RequestsHandler, request_key
from streams_app.systems.requests.store import RequestKey
from tests.unit.dialects import tables

from .contexts import BOOK, REGIONS

FILE = Path(__file__).parents[3] / "tables_sql" / "cockroachdb" / "requests" / "changefeeds.sql"
REQUEST = "78ae6336-4364-41f8-8a8a-de210b95b0ea"
ROW: dict[str, Any] = {
    "locality": 11,
    "request_id": REQUEST,
    "seq_num": 3,
    "signal_id": "00000000-0000-0000-0000-000000000001",
    "request_status_id": 1,
    "status_id": 2,
    "action_state_link_id": 1002,
    "request_type_id": 1,
}
TABLES = tables("cockroachdb")
# Not for the workers.
ARCHIVES = {"acct-mgmt.request-event-log"}


def feeds() -> list[tuple[str, str, dict[str, str]]]:
    """Table, topic and options of every feed."""
    text = re.sub(r"--.*", "", FILE.read_text())
    pattern = r"CREATE CHANGEFEED\s+FOR TABLE (\w+)\s+INTO '[^']*topic_name=([\w.-]+)[^']*'\s+WITH(.*?);"
    return [
        (table, topic, dict(re.findall(r"(\w+)(?:\s*=\s*'([^']*)')?\s*(?:,\s|$)", rest.strip())))
        for table, topic, rest in re.findall(pattern, text, re.DOTALL)
    ]


def message(table: str, topic: str, options: dict[str, str]) -> Record:
    """A row of the table as that feed sends it."""
    described = TABLES[table]
    row = {name: ROW.get(name, "x") for name in described.columns if name != "computed_region"}
    # The region column comes first in the key of a REGIONAL BY ROW table.
    primary = ["us-central", *(row[name] for name in described.primary_key)]
    key = [row[options["key_column"]]] if "key_column" in options else primary
    if options["envelope"] == "key_only":
        return Record(topic, 0, 0, json.dumps(key).encode(), None, ())
    value: dict[str, Any] = {"after": row}
    if "diff" in options:
        value["before"] = None
    if "key_in_value" in options:
        value["key"] = primary
    if "updated" in options:
        value["updated"] = "1745506768962755000.0000000000"
    return Record(topic, 0, 0, json.dumps(key).encode(), json.dumps(value).encode(), ())


FEEDS = [feed for feed in feeds() if feed[1] not in ARCHIVES]


def test_every_topic_has_a_feed() -> None:
    assert len(feeds()) == 7
    assert {topic for _, topic, _ in feeds()} == {topic.name for topic in TOPICS} | ARCHIVES
    assert all({"gc_protect_expires_after", "on_error", "metrics_label"} <= set(f[2]) for f in feeds()[1:])


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: f"{feed[0]} {feed[2]['envelope']}")
def test_the_agents_know_the_request_of_every_message(feed: tuple[str, str, dict[str, str]]) -> None:
    handler = RequestsHandler(None, BOOK, REGIONS, 1_000_000)  # type: ignore[arg-type]
    change = handler.decode(message(*feed))
    assert isinstance(change, Change)
    assert request_key(change) == RequestKey(11, UUID(REQUEST))
    assert handler.route(change) == "us-central"
    assert change.op is (Op.UNKNOWN if feed[2]["envelope"] == "key_only" else Op.INSERT)


def test_resolved_timestamps_ask_for_nothing() -> None:
    handler = RequestsHandler(None, BOOK, REGIONS, 1_000_000)  # type: ignore[arg-type]
    value = b'{"resolved":"1537279405671006870.0000000000"}'
    assert handler.decode(Record(TOPICS[0].name, 0, 0, None, value, ())) is None


def test_messages_that_are_to_lie_together_have_one_key() -> None:
    keys = {table: message(table, topic, o).key for table, topic, o in FEEDS if "key_column" not in o}
    assert set(keys) == {"request_info", "request_status_head"}
    assert len(set(keys.values())) == 1
