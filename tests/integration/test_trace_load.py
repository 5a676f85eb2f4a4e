"""`traces load`: the same events whichever way they go, once, and a clean end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner, Result

from deploy.local import Stack
from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.errors import StartError
from streams_app.kafka.reading import partition_counts, reader, records_between, whole_topics
from streams_app.kafka.record_sink import record_sink
from streams_app.settings import Settings
from streams_app.systems.trace_store import load_commands
from streams_app.systems.trace_store.decoding import Decoder
from streams_app.systems.trace_store.generate.generator import Blueprint, TraceRecord, records, sizes
from streams_app.systems.trace_store.generate.loading import TableSink, load
from streams_app.systems.trace_store.store import TraceWriter
from streams_app.topics import TRACE_TOPICS

pytestmark = pytest.mark.stack

UNTIL = datetime.now(UTC).replace(microsecond=0)
BLUEPRINT = Blueprint(3, 1500, UNTIL, timedelta(days=40))


async def rows(databases: Databases, statement: bytes) -> dict[str, list[tuple[object, ...]]]:
    """By region, what a statement finds."""
    found = {}
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            found[region] = await (await connection.execute(statement)).fetchall()
    return found


async def test_events_go_into_the_region_of_their_session_once(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    heard: list[tuple[int, int]] = []
    sink = TableSink(fresh_databases, fresh_settings.trace_store)
    first = await load(BLUEPRINT, sink, asyncio.Event(), lambda *progress: heard.append(progress))
    assert (first.events, first.new) == (1500, 1500)
    assert sum(done for done, _ in heard) == 1500
    found = await rows(fresh_databases, b"SELECT session_id, count(*) FROM event_logs GROUP BY 1")
    for region, sessions in found.items():
        assert sessions
        assert {fresh_databases.regions.of_account(session) for session, _ in sessions} == {region}
    assert sorted(count for of_region in found.values() for _, count in of_region) == sorted(sizes(BLUEPRINT))
    touched = await rows(fresh_databases, b"SELECT DISTINCT session_id FROM event_session_touched")
    assert {region: len(marks) for region, marks in touched.items()} == {name: len(found[name]) for name in found}
    again = await load(BLUEPRINT, sink, asyncio.Event(), lambda *_: None)
    assert (again.events, again.new) == (1500, 0)


async def test_new_events_are_stored_beside_those_that_come_again(fresh_databases: Databases) -> None:
    writer, region = TraceWriter(fresh_databases), fresh_databases.regions.names[0]
    decoder = Decoder(4096, timedelta(hours=1), timedelta(days=90))
    events = [
        decoder.decode(Record(made.topic, 0, 0, made.key, made.value, made.headers)).event
        for made in records(Blueprint(11, 90, UNTIL, timedelta(hours=1)))
    ]
    # Whole batches that are new, before and after others; one that comes again in part; one event twice in a batch.
    batches = [events[:40], events[30:60], events[60:70], [*events[70:75], *events[70:75]], events[75:80], events[80:]]
    stored: set[str] = set()
    for batch in batches:
        added = await writer.add(region, batch)
        assert added.new == {event.event_id for event in batch} - stored
        assert not added.others
        stored |= added.new
    found = await rows(fresh_databases, b"SELECT event_id::text, payload, metadata, processing_time_ms FROM event_logs")
    assert {row[0]: row[1:] for row in found[region] if row[0] in stored} == {
        event.event_id: (json.loads(event.payload), json.loads(event.metadata), event.processing_time_ms)
        for event in events
    }


async def test_it_stops_between_batches_when_it_is_told_to() -> None:
    stop, taken = asyncio.Event(), Counter[bytes]()

    class Stopping:
        async def send(self, given: Sequence[TraceRecord]) -> int:
            taken.update(record.value for record in given)
            stop.set()
            return len(given)

    loaded = await load(Blueprint(3, 20_000, UNTIL, timedelta(days=1)), Stopping(), stop, lambda *_: None)
    assert 0 < loaded.events == taken.total() < 20_000


async def test_topics_hold_each_key_in_order_as_ingest_reads_it(settings: Settings) -> None:
    names = [topic.name for topic in TRACE_TOPICS]
    counts = await partition_counts(settings.broker_url, names)
    async with reader(settings.broker_url) as consumer, record_sink(TRACE_TOPICS, settings) as sink:
        before = await whole_topics(consumer, counts)
        assert (await load(BLUEPRINT, sink, asyncio.Event(), lambda *_: None)).new == 1500
        after = await whole_topics(consumer, counts)
        new: dict[TopicPartition, tuple[int, int]] = {place: (before[place][1], after[place][1]) for place in after}
        read = [record async for record in records_between(consumer, new)]
    assert by_topic_and_key(read) == by_topic_and_key(list(records(BLUEPRINT)))
    decoder = Decoder(4096, timedelta(hours=1), timedelta(days=90))
    assert len({decoder.decode(record).event.event_id for record in read}) == 1500


def by_topic_and_key(found: Sequence[Record | TraceRecord]) -> dict[tuple[str, bytes | None], list[object]]:
    """The values and headers of each key on each topic, in order."""
    apart: dict[tuple[str, bytes | None], list[object]] = {}
    for record in found:
        apart.setdefault((record.topic, record.key), []).append((record.value, record.headers))
    return apart


async def test_a_broker_that_does_not_answer_is_one_sentence(settings: Settings) -> None:
    away = settings.model_copy(update={"broker_url": "kafka://127.0.0.1:1"})
    with pytest.raises(StartError, match="broker does not answer"):
        async with record_sink(TRACE_TOPICS, away):
            pass


@pytest.fixture
def run(fresh_settings: Settings, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command against the fresh databases."""
    monkeypatch.setenv("STREAMS_CONFIG", str(stack.config_path))
    monkeypatch.setenv("STREAMS_DATABASE__NAME", fresh_settings.database.name)
    monkeypatch.setattr(load_commands, "topic_sink", partial(record_sink, TRACE_TOPICS))
    return lambda *arguments: CliRunner().invoke(load_commands.load_command, arguments)


def test_the_command_says_what_it_did(run: Callable[..., Result]) -> None:
    arguments = ("--events", "40", "--sessions-seed", "9", "--span", "2h", "--until", UNTIL.isoformat())
    result = run(*arguments, "--into", "tables", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (said["seed"], said["into"], said["events"], said["new"]) == (9, "tables", 40, 40)
    again = run(*arguments, "--into", "tables")
    assert "0 events into tables" in again.stdout
    assert "40 already there; seed 9" in again.stdout
    assert "40 events into topics" in run(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--span", "2 hours"], "expected days, hours"),
        (["--span", "0s"], "expected more than nothing"),
        (["--span", "89d", "--until", "2020-01-01"], "no older than 90 days"),
        (["--span", "1h", "--until", "soon"], "expected an ISO 8601 time"),
        (["--events", "0"], "is not in the range"),
    ],
)
def test_wrong_options_are_one_sentence(run: Callable[..., Result], arguments: list[str], sentence: str) -> None:
    result = run(*arguments, "--into", "tables")
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
