"""The benchmark of allocations compares and captures on a tiny size; how fast anything is matters nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.allocations.capture import limit, sustained
from benchmarks.allocations.cycles import PACED, WAYS, WORKERS, Cycle
from benchmarks.allocations.report import Results, show, tables
from deploy.local import Stack
from deploy.local.settings_files import VARIABLE
from streams_app.commands.schema import all_topics
from streams_app.commands.simulating import OUTSIDE
from streams_app.kafka.admin import TopicAdmin
from streams_app.settings import Settings
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.scenario import Data, Scenario, Way
from streams_app.systems.allocations.simulation import Simulation

pytestmark = pytest.mark.stack

# Those that need no connector.
ALONE = [way for way in WAYS if way.how != "kafka" and way.concurrency in (1, 4)]
EXECUTIONS = 3000


@pytest.fixture(scope="module")
def own(stack: Stack, domain_settings: Settings) -> Iterator[dict[str, Any]]:
    """Settings of ways: the databases of this module."""
    found = domain_settings.allocations.domains
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(VARIABLE, str(stack.config_path))
        yield {"domains": {name: {"database": domain.database} for name, domain in found.items()}}


@pytest.fixture(scope="module")
def measured(own: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    """One round of each way, on the same data."""
    data = Data(accounts=40, securities=20, positions=10, models=2)
    ways = tuple(
        way.model_copy(update={"settings": {"allocations": own | way.settings["allocations"]}}) for way in ALONE
    )
    simulation = Simulation(Scenario(words="-", data=data, ways=ways), OUTSIDE, tmp_path_factory.mktemp("logs"))

    async def run() -> list[Measured]:
        return [await simulation.run(way, lambda *_: None, lambda _: None) for way in ways]

    return asyncio.run(run())


def test_every_way_does_the_same_work_and_all_of_it(measured: list[Measured]) -> None:
    assert [each.way.how for each in measured] == ["one_batch", "in_process", "in_process"]
    for each in measured:
        assert each.report.clean, each.report.as_dict()
        assert each.complete
        assert each.progress.filled == each.progress.due == each.progress.booked
        assert each.progress.captured == each.progress.executions
        assert len(each.latencies) > 0
        assert each.latency(0.99) <= each.seconds
    rows = {(each.progress.orders, each.progress.blocks, each.progress.executions) for each in measured}
    assert len(rows) == 1


async def test_a_worker_captures_a_filled_topic(domain_settings: Settings, own: dict[str, Any], tmp_path: Path) -> None:
    async with TopicAdmin(domain_settings.broker_url, domain_settings.topic_partitions, 1) as admin:
        await admin.create_missing(all_topics(domain_settings))
    way = Way(name="capture", settings={"allocations": own | {"steps": "capture"}})
    assert await limit(way.applied("bench"), EXECUTIONS) > 0
    assert await sustained(way, EXECUTIONS, tmp_path) > 0


def test_every_table_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    cycles = [Cycle(way.name, 100, 9, 20, 2.0, 0.5, 0.1, 0.2, 0.0, 0, 0, 1, 1) for way in WAYS]
    paced = [Cycle(way.name, 100, 9, 20, 2.0, 0.5, 0.1, 0.2, 0.0, 0, 0, 1, 1) for way in PACED]
    grown = [Cycle(WORKERS[0].name, size, 9, 20, size / 100, 0.5, 0.1, 0.2, 0.0, 0, 0, 1, 1) for size in (100, 1000)]
    hows = {way.name: way.how for way in WAYS}
    results = Results(1, 10, 0.5, hows, cycles, paced, captured=[70.0], limits=[100.0], grown=grown)
    shown = {title: (columns, rows) for title, columns, rows in tables(results)}
    assert len(shown) == 5
    for columns, rows in shown.values():
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    assert shown["Trade capture"][1][0][-2:] == ("0.70", "≥ 0.6: met")
    show(results, as_json=True)
    assert json.loads(capsys.readouterr().out)["captured"] == [70.0]
