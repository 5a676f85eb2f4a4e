"""`verify` where all regions are one logical database, as on CockroachDB: here three regions of one PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests import verify as module
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.workflow import WorkflowBook
from streams_app.verification import Report
from tests.integration.histories import STORIES, make_world

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def one_database(fresh_settings: Settings) -> Settings:
    """Three regions with their own localities and the same database."""
    east = fresh_settings.regions["us-east"]
    regions = {
        name: east.model_copy(update={"localities": region.localities})
        for name, region in fresh_settings.regions.items()
    }
    return fresh_settings.model_copy(update={"regions": regions})


@pytest.fixture
async def world(one_database: Settings, book: WorkflowBook) -> Settings:
    async with Databases(one_database) as databases:
        async with databases.connection("us-east") as connection:
            written = await (await connection.execute("SELECT 1 FROM request_info LIMIT 1")).fetchone()
        if not written:
            await make_world(databases, book)
    return one_database


async def look(settings: Settings, book: WorkflowBook, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> Report:
    """Verify, with the answer that such a server would give."""
    monkeypatch.setitem(module.SQL._statements, "is_shared", b"SELECT " + str(shared).encode())
    return await verify(settings, book, grace=60, samples=3)


def found(report: Report) -> dict[str, int]:
    return {finding.check.name: finding.violations for finding in report.findings if finding.violations}


async def test_every_row_counts_once(world: Settings, book: WorkflowBook, monkeypatch: pytest.MonkeyPatch) -> None:
    report = await look(world, book, monkeypatch, shared=True)
    assert found(report) == {}
    assert report.figures["requests"] == 3 * len(STORIES)
    assert report.figures["by_region"] == dict.fromkeys(world.regions, len(STORIES))


async def test_another_regions_rows_are_strays_in_a_database_of_one_region(
    world: Settings, book: WorkflowBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(found(await look(world, book, monkeypatch, shared=False))) == {"rows_live_in_their_region"}


async def test_a_row_of_no_region_is_found_once(
    world: Settings, book: WorkflowBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = world.regions["us-east"].server
    with psycopg.connect(**connect_arguments(world.database, server, "owner")) as connection:
        connection.execute("ALTER TABLE account_number_claim DROP CONSTRAINT account_number_claim_locality_check")
        connection.execute("INSERT INTO account_number_claim VALUES (30, 'nowhere', gen_random_uuid())")
    assert found(await look(world, book, monkeypatch, shared=True)) == {"rows_live_in_their_region": 1}


async def test_violations_are_counted_once(
    world: Settings, book: WorkflowBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = world.regions["us-east"].server
    with psycopg.connect(**connect_arguments(world.database, server, "owner")) as connection:
        connection.execute("UPDATE request_status_head SET status_id = 4 WHERE status_id = 5")
    counts = found(await look(world, book, monkeypatch, shared=True))
    assert counts["request_status_is_head_status"] == counts["head_is_last_event"] == 3
