"""The benchmark of traces fills, asks, measures and reports on a tiny size; how fast anything is matters nowhere."""

from __future__ import annotations

import asyncio
import json
import os
import random
from datetime import timedelta

import pytest

from benchmarks.traces import calls, overhead
from benchmarks.traces.place import Place
from benchmarks.traces.report import Results, show, tables
from benchmarks.traces.rows import blueprint, chunks, copy_side_by_side, fill
from deploy.local import Stack
from streams_app.settings import Settings
from streams_app.systems.trace_store.generate.generator import records

pytestmark = pytest.mark.stack

SPAN = timedelta(hours=2)


@pytest.fixture(scope="module")
def place(stack: Stack, fresh_settings: Settings) -> Place:
    """The stack of the tests, with empty stores."""
    return Place(stack, fresh_settings)


@pytest.fixture(scope="module")
def results(place: Place) -> Results:
    """A run without workers."""
    found = Results(1500, 300, 4, os.getloadavg()[0])
    found.fill_rate = found.events / fill(place, blueprint(1, found.events, SPAN))
    found.stored = place.stored()
    [lines] = chunks(place, records(blueprint(2, found.ingest, SPAN)))
    found.copy = [found.ingest / copy_side_by_side(place, lines)]
    found.ours = [100.0]
    found.answers["nothing"] = asyncio.run(calls.asked(place, calls.questions(place, 24, found.calls)))
    found.costs = dict(overhead.measure(place, blueprint(3, found.ingest, SPAN), random.Random(1)))
    return found


def test_everything_is_stored(place: Place, results: Results) -> None:
    assert results.stored == results.events
    assert place.stored() == results.events + results.ingest


def test_questions_are_about_long_sessions_and_every_call_is_timed(place: Place, results: Results) -> None:
    wanted = calls.questions(place, 24, 1)
    assert len(wanted.sessions) > 1
    assert len(wanted.exchanges) == len(set(wanted.exchanges)) > 100
    sizes = {name: count for rows in place.everywhere("long_sessions").values() for name, count in rows}
    assert sizes[wanted.sessions[0]] == 1000
    for seconds in results.answers["nothing"].values():
        assert len(seconds) == results.calls
        assert min(seconds) > 0


def test_indexes_cost_bytes(results: Results) -> None:
    found = results.costs
    assert set(found) == set(overhead.GROUPS)
    assert found["primary key alone"].indexes < found["six B-tree"].indexes < found["all eight"].indexes
    assert found["two GIN, jsonb_path_ops"].indexes < found["two GIN"].indexes


def test_every_table_is_whole(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {title: (columns, rows) for title, columns, rows in tables(results)}
    assert set(shown) == {"Ingest", "Redelivery", "Questions", "What indexes cost"}
    for columns, rows in shown.values():
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    show(results, as_json=True)
    assert json.loads(capsys.readouterr().out)["stored"] == results.stored


def test_a_target_is_met_by_either_of_two_figures(results: Results) -> None:
    def target(ours: float, copy: float) -> str:
        found = Results(1, 1, 1, 0.0, ours=[ours], copy=[copy], answers=results.answers, costs=results.costs)
        return next(iter(tables(found)))[2][0][-1]

    assert target(10_000, 90_000).endswith(": met")
    assert target(7_001, 10_000).endswith(": met")
    assert target(6_900, 10_000).endswith(": missed")
