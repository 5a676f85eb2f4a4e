"""Every check of the trace store finds what it is there for, and nothing in a store that is as it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.trace_store.schemas import STATUS_TOPIC, request_topic
from streams_app.systems.trace_store.verify import verify
from tests.integration.traces import BODIES, Ingest, message, record

pytestmark = pytest.mark.stack

REQUEST = request_topic("analyze")
SESSION = "0b6a9d5e-1b9c-4b0e-9a0e-0d6a1f4f5a01"
OWN = "7b3e7a52-6f9f-4a55-8e9f-50f2c7a8d001"


class Topics:
    """Records that lie on the topics, and which of them are dead letters."""

    def __init__(self, records: list[Record], dead: set[tuple[str, int, int]]) -> None:
        self._records = records
        self._dead = dead

    async def records(self) -> AsyncIterator[Record]:
        for one in self._records:
            yield one

    async def letters(self) -> set[tuple[str, int, int]]:
        return self._dead


async def found(settings: Settings, topics: Topics | None = None, grace: float = 0) -> dict[str, int]:
    report = await verify(settings, grace=grace, samples=3, topics=topics)
    assert report.figures["events"] > 0
    return {finding.check.name: finding.violations for finding in report.findings if finding.violations}


@pytest.fixture
async def ingest(fresh_databases: Databases, fresh_settings: Settings) -> Ingest:
    """Some events in an empty store, and their figures worked out."""
    for region in fresh_settings.regions.values():
        with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "owner")) as connection:
            connection.execute(b"TRUNCATE event_logs, event_session_metrics, event_session_touched")
    made = Ingest(fresh_databases, fresh_settings)
    await made.take([record(topic, message(topic), n) for n, topic in enumerate(BODIES)])
    await made.take([record(REQUEST, message(REQUEST, SESSION, event_id=OWN), 99)])
    for region in fresh_databases.regions.names:
        await made.writer.refresh(region)
    return made


@pytest.fixture
def change(fresh_settings: Settings, fresh_databases: Databases) -> Callable[[str], None]:
    """Do what no program of ours does to the region of SESSION."""

    def change(statement: str) -> None:
        region = fresh_settings.regions[fresh_databases.regions.of_account(UUID(SESSION))]
        with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "owner")) as connection:
            connection.execute(statement.encode())

    return change


COPY = """
    INSERT INTO event_logs
    SELECT region, event_id, session_id, correlation_id, event_type, topic, "timestamp" - interval '1 minute', status,
           NULL, jsonb_set(payload, '{{timestamp}}', to_jsonb("timestamp" - interval '1 minute'))
      FROM event_logs WHERE event_id = '{own}'
"""
PLANTS = {
    "events_live_in_their_region": [
        "UPDATE event_logs SET session_id = '{other}', payload = payload || '{{\"session_id\": \"{other}\"}}'"
        " WHERE event_id = '{own}'",
        "UPDATE event_session_metrics SET session_id = '{other}' WHERE session_id = '{session}'",
    ],
    "ids_are_unique": [
        COPY,
        "UPDATE event_session_metrics SET total_events = total_events + 1 WHERE session_id = '{session}'",
    ],
    "rows_say_what_payloads_say": [
        "UPDATE event_logs SET payload = payload || '{{\"correlation_id\": \"{other}\"}}' WHERE event_id = '{own}'",
    ],
    "figures_follow_events": ["UPDATE event_session_metrics SET total_events = 0 WHERE session_id = '{session}'"],
}


async def test_a_store_as_it_should_be_passes(ingest: Ingest, fresh_settings: Settings) -> None:
    assert await found(fresh_settings) == {}


@pytest.mark.parametrize("check", PLANTS)
async def test_what_is_wrong_is_found(
    check: str,
    ingest: Ingest,
    fresh_settings: Settings,
    fresh_databases: Databases,
    change: Callable[[str], None],
) -> None:
    home = fresh_databases.regions.of_account(UUID(SESSION))
    other = next(u for u in iter(uuid4, None) if fresh_databases.regions.of_account(u) != home)
    for statement in PLANTS[check]:
        change(statement.format(own=OWN, session=SESSION, other=other))
    assert await found(fresh_settings) == {check: 1}


async def test_records_are_looked_up(ingest: Ingest, fresh_settings: Settings) -> None:
    now, old = datetime.now(UTC), datetime.now(UTC) - timedelta(days=200)
    stored = [record(topic, message(topic), n) for n, topic in enumerate(BODIES)]
    await ingest.take(stored)
    lost = record(STATUS_TOPIC, message(STATUS_TOPIC), 1000)
    young = Record(REQUEST, 0, 1001, b"k", record(REQUEST, message(REQUEST)).value, (), int(now.timestamp() * 1000))
    expired = record(REQUEST, message(REQUEST, timestamp=old.isoformat()), 1002)
    dead, unnoticed = record(REQUEST, b"{", 1003), record(REQUEST, b"{", 1004)
    topics = Topics([*stored, *stored[:3], lost, young, expired, dead, unnoticed], {(REQUEST, 0, 1003)})
    assert await found(fresh_settings, topics, grace=60) == {"records_are_stored": 2}
    report = await verify(fresh_settings, grace=60, samples=3, topics=topics)
    assert (report.figures["records"], report.figures["repeated"], report.figures["removed"]) == (21, 3, 1)
    assert report.findings[-1].check.name == "records_are_stored"
    said = " ".join(str(sample) for sample in report.findings[-1].samples)
    assert f"{REQUEST}-0 offset 1004: not_json, and no dead letter" in said
    assert f"{STATUS_TOPIC}-0 offset 1000: event " in said
