"""The trace store on real PostgreSQL: every event once, in the region of its session, whatever comes how often."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.trace_store.schemas import request_topic, response_topic
from streams_app.systems.trace_store.store import TraceWriter
from tests.integration.traces import BODIES, Ingest, message, record, rows

pytestmark = pytest.mark.stack

REQUEST, RESPONSE = request_topic("analyze"), response_topic("analyze")
OF_SESSION = """
    SELECT region, event_id::text, event_type, topic, status, processing_time_ms, payload, metadata, "timestamp"
      FROM event_logs WHERE region = %(region)s AND session_id = %(session)s ORDER BY "timestamp", event_id
"""
ALL = "SELECT count(*) FROM event_logs WHERE region = %(region)s"


async def total(databases: Databases) -> int:
    return sum(count for (count,) in await rows(databases, ALL))


async def test_every_kind_of_event_is_stored_with_all_it_says(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    ingest, session = Ingest(fresh_databases, fresh_settings), str(uuid4())
    sent = {topic: message(topic, session, metadata={"retries": 1}) for topic in BODIES}
    await ingest.take([record(topic, value) for topic, value in sent.items()])
    found = await rows(fresh_databases, OF_SESSION, session=session)
    assert {row[3]: row[6] for row in found} == sent
    assert {row[0] for row in found} == {fresh_databases.regions.of_account(UUID(session))}
    assert {row[2] for row in found} == {"request", "response", "status", "error"}
    assert all(row[7] == {"retries": 1} for row in found)
    assert {row[5] for row in found if row[2] == "response"} == {1200, 300, 80, 40}
    assert not ingest.letters.sent


async def test_whatever_comes_again_adds_no_row(fresh_databases: Databases, fresh_settings: Settings) -> None:
    ingest = Ingest(fresh_databases, fresh_settings)
    sent = [record(topic, message(topic), offset) for offset in range(20) for topic in BODIES]
    await ingest.take(sent)
    before = await total(fresh_databases)
    # At other offsets, in another order, in other batches, twice in one batch, and side by side.
    again = [Record(r.topic, 1, r.offset + 500, r.key, r.value, r.headers) for r in sent] * 2
    random.Random(5).shuffle(again)
    await asyncio.gather(*(Ingest(fresh_databases, fresh_settings).take(again[n::4]) for n in range(4)))
    assert await total(fresh_databases) == before
    assert not ingest.letters.sent


async def test_text_comes_back_as_it_was_whichever_way_it_is_written(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    """New rows are copied; beside one that is there they are inserted."""
    awkward = "\\ \\N \\. \t \r\n \" ' , { } NULL \x1e \u2028 \U0001f4c8 %s"
    for repeated in (False, True):
        ingest, session = Ingest(fresh_databases, fresh_settings), str(uuid4())
        told = [message(REQUEST, session, prd_content=awkward, metadata={awkward: [awkward]}) for _ in range(2)]
        # As people write it: with blanks and line ends between.
        pretty = [orjson.dumps(value, option=orjson.OPT_INDENT_2).replace(b"\n", b"\r\n\t") for value in told]
        await ingest.take([record(REQUEST, raw, n) for n, raw in enumerate(pretty[:1] * repeated + pretty)])
        found = await rows(fresh_databases, OF_SESSION, session=session)
        assert sorted((row[6]["correlation_id"], row[6]["prd_content"], row[7]) for row in found) == sorted(
            (value["correlation_id"], awkward, {awkward: [awkward]}) for value in told
        )


async def test_an_id_that_stands_for_another_payload_is_told_of_and_its_neighbours_are_stored(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    ingest, session, own = Ingest(fresh_databases, fresh_settings), str(uuid4()), str(uuid4())
    first = message(REQUEST, session, event_id=own)
    neighbours = [record(REQUEST, message(REQUEST, session), offset) for offset in (2, 4)]
    await ingest.take([record(REQUEST, first, 1)])
    await ingest.take([neighbours[0], record(REQUEST, first | {"prd_content": "another"}, 3), neighbours[1]])
    assert [(letter.reason, letter.record.offset) for letter in ingest.letters.sent] == [("event_conflict", 3)]
    found = await rows(fresh_databases, OF_SESSION, session=session)
    assert [row[6]["prd_content"] for row in found if row[1] == own] == ["a document"]
    assert len(found) == 3
    # Both at once, too.
    other = message(REQUEST, session, event_id=str(uuid4()))
    await ingest.take([record(REQUEST, other, 5), record(REQUEST, other | {"prd_content": "another"}, 6)])
    assert [letter.record.offset for letter in ingest.letters.sent] == [3, 6]


async def test_bad_messages_are_dead_letters_and_their_neighbours_are_stored(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    ingest, session = Ingest(fresh_databases, fresh_settings), str(uuid4())
    # What only the database can refuse: a number that numeric cannot hold.
    tiny = b'{"x": 1e-400000, ' + record(REQUEST, message(REQUEST, session)).value[1:]  # type: ignore[index]
    bad = {
        1: ("not_json", b"{"),
        3: ("bad_uuid", message(REQUEST, "x")),
        5: ("bad_status", message(REQUEST, session, status="pending")),
        7: ("bad_timestamp", message(REQUEST, session, timestamp="2026-01-01T00:00:00")),
        9: ("nul_in_text", message(REQUEST, session, prd_content="\0")),
        11: ("oversized", message(REQUEST, session, prd_content="x" * 5_000_000)),
        13: ("processing_failed", tiny),
    }
    good = {offset: message(REQUEST, session) for offset in range(0, 16, 2)}
    sent = {offset: value for offset, (_, value) in bad.items()} | good
    await ingest.take([record(REQUEST, sent[offset], offset) for offset in sorted(sent)])
    assert {letter.record.offset: letter.reason for letter in ingest.letters.sent} == {
        offset: expected for offset, (expected, _) in bad.items()
    }
    found = await rows(fresh_databases, OF_SESSION, session=session)
    assert sorted(row[6]["correlation_id"] for row in found) == sorted(v["correlation_id"] for v in good.values())


async def test_a_month_that_is_missing_is_made_when_an_event_comes_for_it(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    """As after a worker that nobody started for months, or one that lost the race with a prune."""
    ingest, session = Ingest(fresh_databases, fresh_settings), str(uuid4())
    region = fresh_settings.regions[fresh_databases.regions.of_account(UUID(session))]
    old = datetime.now(UTC) - timedelta(days=80)
    with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "owner")) as connection:
        connection.execute(f"DROP TABLE event_logs_{old:%Y%m}".encode())
    await ingest.take([record(REQUEST, message(REQUEST, session, timestamp=old.isoformat()))])
    assert len(await rows(fresh_databases, OF_SESSION, session=session)) == 1
    assert not ingest.letters.sent


async def test_figures_of_sessions_follow_their_events(fresh_databases: Databases, fresh_settings: Settings) -> None:
    ingest, session = Ingest(fresh_databases, fresh_settings), str(uuid4())
    region = fresh_databases.regions.of_account(UUID(session))
    start = datetime.now(UTC) - timedelta(hours=1)

    def at(seconds: int) -> str:
        return (start + timedelta(seconds=seconds)).isoformat()

    answers = [
        message(RESPONSE, session, timestamp=at(n), processing_time_ms=n * 100, status="failed" if n == 4 else None)
        for n in range(1, 5)
    ]
    await ingest.take([record(REQUEST, message(REQUEST, session, timestamp=at(0)))])
    await ingest.writer.refresh(region)
    await ingest.take([record(RESPONSE, value, n) for n, value in enumerate(answers)])
    figures = """
        SELECT total_events, requests, responses, failed, correlations, success_rate, duration_ms, p50_ms, max_ms
          FROM event_session_metrics WHERE region = %(region)s AND session_id = %(session)s
    """
    assert [row[0] for row in await rows(fresh_databases, figures, session=session)] == [1]
    # Two at once: one does it.
    await asyncio.gather(ingest.writer.refresh(region), TraceWriter(fresh_databases).refresh(region))
    assert await rows(fresh_databases, figures, session=session) == [(5, 1, 4, 1, 5, 0.75, 4000, 250.0, 400)]
    left = "SELECT 1 FROM event_session_touched WHERE region = %(region)s AND session_id = %(session)s"
    assert await rows(fresh_databases, left, session=session) == []
