"""The tracer on real databases: sessions in pages, their figures, chains through regions, searches merged in order."""

from __future__ import annotations

import asyncio
import re
import statistics
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from streams_app.databases import Databases
from streams_app.errors import is_outage
from streams_app.settings import Settings
from streams_app.systems.trace_store.model import EventStatus, Severity, StoredEvent
from streams_app.systems.trace_store.tracer import TIMELINE_POINTS, CodegenEventTracer

from .trace_rows import CENTRAL, EAST, WEST, new, session_in, store

pytestmark = pytest.mark.stack


@pytest.fixture
def tracer(fresh_databases: Databases) -> CodegenEventTracer:
    return CodegenEventTracer(fresh_databases)


async def all_pages(tracer: CodegenEventTracer, session: UUID, limit: int, hours: float = 24) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    after = None
    while True:
        trace = await tracer.trace_session_events(session, hours, limit, after)
        assert len(trace.page.events) <= limit
        assert trace.total == 25
        events += trace.page.events
        after = trace.page.next
        if after is None:
            return events


@pytest.mark.parametrize("limit", [1, 7, 25, 1000])
async def test_pages_of_a_session_are_whole_and_in_order(
    fresh_databases: Databases, tracer: CodegenEventTracer, limit: int
) -> None:
    """Eight events of each moment: only their ids tell them apart."""
    session, now = session_in(fresh_databases, EAST), datetime.now(UTC)
    times = [(now - timedelta(minutes=n // 8)).isoformat() for n in range(24)]
    old = new(session, 23 * 3600)
    written = [new(session, timestamp=time, metadata='{"a": 1}') for time in times]
    await store(fresh_databases, [*written, old, new(session, 25 * 3600), new(uuid4())])
    events = await all_pages(tracer, session, limit)
    assert [str(event.event_id) for event in events] == [
        event.event_id for event in sorted([*written, old], key=lambda event: (event.timestamp, event.event_id))
    ]
    assert events[-1].metadata == {"a": 1}
    trace = await tracer.trace_session_events(session, 1, limit)
    assert (trace.region, trace.total, trace.duration_ms) == (EAST, 24, 120_000)
    assert (await tracer.trace_session_events(session, 26)).total == 26


async def test_events_keep_what_was_written(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    session, exchange, cause = session_in(fresh_databases, WEST), uuid4(), uuid4()
    cells = {"payload": '{"a": [1, {"b": "ü"}]}', "processing_time_ms": 7, "parent_correlation_id": str(cause)}
    written = new(session, 5, "response", exchange, status=EventStatus.FAILED, **cells)
    await store(fresh_databases, [written])
    [found] = (await tracer.trace_session_events(session)).page.events
    assert found == StoredEvent(
        UUID(written.event_id),
        session,
        exchange,
        cause,
        written.event_type,
        written.topic,
        datetime.fromisoformat(written.timestamp),
        EventStatus.FAILED,
        7,
        {"a": [1, {"b": "ü"}]},
        {},
    )


async def test_a_page_ends_before_it_is_too_long(
    fresh_databases: Databases, tracer: CodegenEventTracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tracer", "search", "chains", "reading"):
        monkeypatch.setattr(f"streams_app.systems.trace_store.{module}.MOST_BYTES", 1000)
    session, exchange = session_in(fresh_databases, EAST), uuid4()
    other = session_in(fresh_databases, WEST)
    text = '{{"of": "{}", "x": "{}"}}'
    long = [new(session, n, "status", exchange, payload=text.format(exchange, str(n) * 300)) for n in range(10, 15)]
    short = [new(other, n, payload=text.format(exchange, "")) for n in range(10, 15)]
    await store(fresh_databases, [*long, *short])
    pages, after = [], None
    while True:
        trace = await tracer.trace_session_events(session, after=after)
        pages.append([str(event.event_id) for event in trace.page.events])
        after = trace.page.next
        if after is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [found for page in pages for found in page] == [event.event_id for event in reversed(long)]
    chain = await tracer.find_correlated_events(exchange)
    assert (sum(len(part.events) for part in chain.exchanges), chain.cut) == (2, True)
    times, after = [], None
    while True:
        page = await tracer.search(payload={"of": str(exchange)}, after=after)
        times += [event.timestamp for event in page.events]
        after = page.next
        if after is None:
            break
    assert times == sorted(times, reverse=True)
    assert len(times) == 10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: t.trace_session_events(uuid4(), limit=0), "limit=0: expected 1 to 10,000"),
        (lambda t: t.trace_session_events(uuid4(), limit=10_001), "limit=10001"),
        (lambda t: t.trace_session_events(uuid4(), 0), "time_range_hours=0"),
        (lambda t: t.trace_session_events(uuid4(), float("nan")), "time_range_hours=nan"),
        (lambda t: t.trace_session_events(uuid4(), 1e9), "time_range_hours="),
        (lambda t: t.trace_session_events(uuid4(), after="x"), "after='x' is no cursor"),
        (lambda t: t.find_correlated_events(uuid4(), -1), "max_hops=-1"),
        (lambda t: t.find_correlated_events(uuid4(), 51), "max_hops=51"),
        (lambda t: t.find_correlated_events(uuid4(), limit=0), "limit=0"),
        (lambda t: t.search(), "name what events hold"),
        (lambda t: t.search(payload={}), "payload: expected an object"),
        (lambda t: t.search(payload=[1]), "payload: expected an object"),
        (lambda t: t.search(metadata="x"), "metadata: expected an object"),
        (lambda t: t.search(payload={"a": "x\0y"}), "payload: no event holds a NUL"),
        (lambda t: t.search(payload={"a": 1 << 70}), "payload: "),
        (lambda t: t.search(payload={"a": 1}, since=datetime(2026, 1, 1)), "since="),
        (lambda t: t.search(payload={"a": 1}, limit=0), "limit=0"),
        (lambda t: t.search(payload={"a": 1}, after="x"), "after='x'"),
        (lambda t: t.slow_topics(0), "limit=0"),
        (lambda t: t.sessions(0), "limit=0"),
        (lambda t: t.sessions(after="x"), "after='x'"),
    ],
)
async def test_what_is_not_taken_is_said(tracer: CodegenEventTracer, call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        await call(tracer)


async def test_figures_of_a_session(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    session = session_in(fresh_databases, CENTRAL)
    times = [(n * 37) % 6000 for n in range(100)]
    events = []
    for n, took in enumerate(times):
        exchange = uuid4()
        end = ("response", {"processing_time_ms": took}) if n % 10 else ("error", {})
        events.append(new(session, 600 - n, "request", exchange))
        events.append(new(session, 599.5 - n, end[0], exchange, **end[1]))
    slow = "omninode_codegen_response_mixin_v1"
    failed = new(session, 50, "response", uuid4(), topic=slow, status=EventStatus.FAILED, processing_time_ms=5500)
    events += [failed, new(session, 700, "status")]
    await store(fresh_databases, [*events, new(session_in(fresh_databases, CENTRAL), 1)])
    found = await tracer.get_session_metrics(session)
    assert found is not None
    measured = [took for n, took in enumerate(times) if n % 10] + [5500]
    cuts = statistics.quantiles(measured, n=100, method="inclusive")
    assert (found.region, found.total, found.failed, found.correlations) == (CENTRAL, 202, 11, 101)
    assert found.success_rate == pytest.approx(90 / 101)
    assert found.latency.events == 91
    assert found.latency.longest == max(measured)
    assert found.latency.average == pytest.approx(statistics.mean(measured))
    percentiles = [found.latency.p50, found.latency.p95, found.latency.p99]
    assert percentiles == pytest.approx([cuts[49], cuts[94], cuts[98]])
    assert {group.name: (group.events, group.failed, group.latency.events) for group in found.by_type} == {
        "error": (10, 10, 0),
        "request": (100, 0, 0),
        "response": (91, 1, 91),
        "status": (1, 0, 0),
    }
    assert [(group.name, group.latency.p50) for group in found.by_topic if group.failed == 1] == [(slow, 5500)]
    assert (found.bottlenecks[0].topic, found.bottlenecks[0].severity) == (slow, Severity.HIGH)
    assert found.timeline[0].offset_ms == 0
    assert found.timeline[0].event_type == "status"
    assert all(one.offset_ms <= other.offset_ms for one, other in pairwise(found.timeline))
    assert (len(found.timeline), found.timeline_cut) == (202, False)
    assert found.duration_ms == pytest.approx(found.timeline[-1].offset_ms)


async def test_a_timeline_holds_the_first_events(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    session = session_in(fresh_databases, EAST)
    await store(fresh_databases, [new(session, 2000 - n, "status") for n in range(TIMELINE_POINTS + 5)])
    found = await tracer.get_session_metrics(session)
    assert found is not None
    assert (found.total, len(found.timeline), found.timeline_cut) == (TIMELINE_POINTS + 5, TIMELINE_POINTS, True)
    assert found.success_rate is None
    assert found.latency.average is None


async def test_nobody_knows_a_session(tracer: CodegenEventTracer) -> None:
    assert await tracer.get_session_metrics(uuid4()) is None
    trace = await tracer.trace_session_events(uuid4())
    assert (trace.total, trace.duration_ms, trace.page.events, trace.page.next) == (0, 0.0, [], None)


async def chain(databases: Databases, length: int) -> list[UUID]:
    """Exchanges that each followed from the one before, every one in another region; answers name no cause."""
    exchanges, events = [uuid4() for _ in range(length)], []
    for n, exchange in enumerate(exchanges):
        session = session_in(databases, (EAST, WEST, CENTRAL)[n % 3])
        cause = str(exchanges[n - 1]) if n else None
        events.append(new(session, 100 - 2 * n, "request", exchange, parent_correlation_id=cause))
        events.append(new(session, 99 - 2 * n, "response", exchange))
    await store(databases, events)
    return exchanges


async def test_a_chain_is_followed_both_ways_through_regions(
    fresh_databases: Databases, tracer: CodegenEventTracer
) -> None:
    exchanges = await chain(fresh_databases, 5)
    found = await tracer.find_correlated_events(exchanges[2])
    assert [(part.hop, part.correlation_id) for part in found.exchanges] == list(
        zip(range(-2, 3), exchanges, strict=True)
    )
    assert [part.parent for part in found.exchanges] == [None, *exchanges[:4]]
    assert all([event.event_type for event in part.events] == ["request", "response"] for part in found.exchanges)
    assert all(part.elapsed_ms == pytest.approx(1000, abs=100) for part in found.exchanges)
    assert not found.cut
    near = await tracer.find_correlated_events(exchanges[2], max_hops=1)
    assert ([part.hop for part in near.exchanges], near.cut) == ([-1, 0, 1], True)
    alone = await tracer.find_correlated_events(exchanges[2], max_hops=0)
    assert ([part.hop for part in alone.exchanges], alone.cut) == ([0], True)
    whole = await tracer.find_correlated_events(exchanges[2], max_hops=2)
    assert (len(whole.exchanges), whole.cut) == (5, False)


@pytest.mark.parametrize(("limit", "hops", "cut"), [(2, [0], True), (3, [-1, 0], True), (10, [-2, -1, 0, 1, 2], False)])
async def test_a_chain_has_a_limit(
    fresh_databases: Databases, tracer: CodegenEventTracer, limit: int, hops: list[int], cut: bool
) -> None:
    exchanges = await chain(fresh_databases, 5)
    found = await tracer.find_correlated_events(exchanges[2], limit=limit)
    assert ([part.hop for part in found.exchanges], found.cut) == (hops, cut)
    assert sum(len(part.events) for part in found.exchanges) == limit


async def test_a_circle_ends_and_a_lost_cause_is_no_harm(
    fresh_databases: Databases, tracer: CodegenEventTracer
) -> None:
    one, two, three, lost = (uuid4() for _ in range(4))
    east, west = session_in(fresh_databases, EAST), session_in(fresh_databases, WEST)
    pairs = [(east, one, two), (west, two, three), (east, three, one), (west, one, one), (east, two, lost)]
    events = [new(session, 9, "request", this, parent_correlation_id=str(cause)) for session, this, cause in pairs]
    await store(fresh_databases, events)
    found = await tracer.find_correlated_events(one, max_hops=50)
    assert {part.correlation_id: part.hop for part in found.exchanges} == {two: -1, one: 0, three: 1}
    assert not found.cut
    assert (await tracer.find_correlated_events(uuid4())).exchanges == []


async def test_what_else_led_to_an_effect_is_no_part_of_the_chain(
    fresh_databases: Databases, tracer: CodegenEventTracer
) -> None:
    one, effect, other = (uuid4() for _ in range(3))
    session = session_in(fresh_databases, EAST)
    causes = [str(one), str(other)]
    events = [new(session, 9, "request", effect, parent_correlation_id=cause) for cause in causes]
    await store(fresh_databases, [*events, *(new(session, 9, "request", exchange) for exchange in (one, other))])
    found = await tracer.find_correlated_events(one)
    assert [(part.hop, part.correlation_id) for part in found.exchanges] == [(0, one), (1, effect)]


async def test_what_followed_is_found_though_the_cause_is_gone(
    fresh_databases: Databases, tracer: CodegenEventTracer
) -> None:
    gone, after = uuid4(), uuid4()
    session = session_in(fresh_databases, EAST)
    await store(fresh_databases, [new(session, 9, "request", after, parent_correlation_id=str(gone))])
    found = await tracer.find_correlated_events(gone)
    assert [(part.hop, part.correlation_id, part.parent) for part in found.exchanges] == [(1, after, gone)]


async def test_a_search_is_merged_in_order(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    """The same id at the same time in two regions: both are found, once."""
    key, moment, same = str(uuid4()), datetime.now(UTC).isoformat(), str(uuid4())
    sessions = [session_in(fresh_databases, region) for region in (EAST, WEST, CENTRAL)]
    cells: dict[str, Any] = {
        "payload": f'{{"key": "{key}", "deep": {{"a": 1, "b": 2}}}}',
        "metadata": f'{{"m": "{key}"}}',
    }
    twins = [new(session, timestamp=moment, event_id=same, **cells) for session in sessions[:2]]
    events = [new(sessions[n % 3], 10 + n // 4, **cells) for n in range(20)]
    await store(fresh_databases, [*twins, *events, new(sessions[0], payload='{"key": "other"}')])
    wanted = {"key": key}
    whole = (await tracer.search(payload=wanted)).events
    assert len(whole) == 22
    order = [(event.timestamp, event.event_id) for event in whole]
    assert order == sorted(order, reverse=True)
    for limit in (1, 3, 22):
        pieces: list[StoredEvent] = []
        after = None
        while True:
            page = await tracer.search(payload=wanted, limit=limit, after=after)
            pieces += page.events
            after = page.next
            if after is None:
                break
        assert pieces == whole
    since = whole[10].timestamp
    assert (
        len((await tracer.search(payload=wanted, since=since)).events)
        + len((await tracer.search(payload=wanted, until=since)).events)
        == 22
    )
    for payload, metadata, count in (
        ({"deep": {"b": 2}}, {"m": key}, 22),
        ({"deep": {"b": 3}}, {"m": key}, 0),
        (None, {"m": key}, 22),
        ({"key": "other"}, {"m": key}, 0),
        ({"key": "\\u0000"}, None, 0),
    ):
        assert len((await tracer.search(payload, metadata)).events) == count


async def test_slow_topics_of_all_regions(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    topic = f"t-{uuid4()}"
    events = []
    for region, took in ((EAST, 5500), (WEST, 400)):
        session = session_in(fresh_databases, region)
        events += [new(session, n, "response", uuid4(), topic=topic, processing_time_ms=took + n) for n in (1, 3)]
        events.append(new(session, 9, "error", uuid4(), topic=topic))
        events.append(new(session, 25 * 3600, "error", uuid4(), topic=topic))
    await store(fresh_databases, events)
    everything = await tracer.slow_topics()
    averages = [found.average_ms or 0 for found in everything]
    assert averages == sorted(averages, reverse=True)
    found = [part for part in everything if part.topic == topic]
    assert [(t.region, t.events, t.failed, t.succeeded, t.average_ms, t.longest_ms, t.severity) for t in found] == [
        (EAST, 3, 1, 2, 5502, 5503, Severity.HIGH),
        (WEST, 3, 1, 2, 402, 403, None),
    ]
    assert found[0].p95_ms == pytest.approx(5502.9)
    assert await tracer.slow_topics(1) == everything[:1]


async def test_the_latest_sessions(fresh_databases: Databases, tracer: CodegenEventTracer) -> None:
    sessions = [session_in(fresh_databases, (EAST, WEST, CENTRAL)[n % 3]) for n in range(9)]
    # Ahead of the events of other tests.
    now = datetime.now(UTC) + timedelta(minutes=1)
    moments = {session: now + timedelta(minutes=n // 3) for n, session in enumerate(sessions)}
    # All of one moment lie in one region, where a page may end between them.
    twins = [session_in(fresh_databases, EAST) for _ in range(3)]
    moments |= dict.fromkeys(twins, now + timedelta(minutes=10))
    await store(fresh_databases, [new(session, timestamp=moment.isoformat()) for session, moment in moments.items()])
    found: list[UUID] = []
    after = None
    while len(found) < len(moments):
        page = await tracer.sessions(2, after)
        found += [session.session_id for session in page.sessions]
        after = page.next
        assert after is not None
    assert found[: len(moments)] == sorted(moments, key=lambda session: (-moments[session].timestamp(), session))


async def test_a_region_that_is_down_fails_what_needs_it(fresh_settings: Settings, fresh_databases: Databases) -> None:
    """An answer of the other regions alone would look like all there is."""
    # Nobody listens there.
    west = fresh_settings.regions[WEST].model_copy(update={"pooler": "127.0.0.1:1"})
    database = fresh_settings.database.model_copy(update={"pool_timeout": 0.5})
    broken = fresh_settings.model_copy(update={"regions": {**fresh_settings.regions, WEST: west}, "database": database})
    there, away = session_in(fresh_databases, EAST), session_in(fresh_databases, WEST)
    await store(fresh_databases, [new(there)])
    async with Databases(broken) as databases:
        tracer = CodegenEventTracer(databases)
        assert (await tracer.trace_session_events(there)).total == 1
        calls = [
            tracer.trace_session_events(away),
            tracer.get_session_metrics(away),
            tracer.find_correlated_events(uuid4()),
            tracer.search(payload={"a": 1}),
            tracer.slow_topics(),
            tracer.sessions(),
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(found, Exception) and is_outage(found) for found in answers), answers
