"""`verify --system tracking` finds each kind of violation: one at a time is planted in a world that is clean without.

The plants are what the schema and the application rule out, so the constraints of the test's databases are dropped.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner

from streams_app.commands.topic_reading import kafka_topics
from streams_app.commands.verify import verify_command
from streams_app.settings import Settings
from streams_app.systems.tracking import verify as module
from streams_app.systems.tracking.verify import verify
from streams_app.systems.tracking.verify_checks import CHECKS, ON_TOPICS
from streams_app.verification import Report
from tests.integration.plants import Plant
from tests.integration.plants_of_tracking import LOST, PLANTS, PLANTS_OF_TOPICS, produced
from tests.integration.test_verify import owner
from tests.integration.tracked_world import GROUPS, Tracked, make_tracked_world, send_raw

pytestmark = pytest.mark.stack

TABLES = ("event_production_key", "event_production_log", "event_consumption_key", "event_consumption_log")
REGIONS = 3

# Those of the whole first, which take those of their partitions along where these have none of their own.
DROP_CONSTRAINTS = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
                WHERE conrelid::regclass::text LIKE 'event_%' AND contype IN ('c', 'p')
                ORDER BY coninhcount, conparentid LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', one.of_table, one.conname);
    END LOOP;
    FOR one IN SELECT attrelid::regclass AS of_table, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                WHERE relname LIKE 'event_%_log' AND relkind = 'p' AND attnotnull AND attnum > 0 AND attidentity = ''
                  AND attname <> 'created_at' LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', one.of_table, one.attname);
    END LOOP;
    ALTER TABLE event_production_log ALTER COLUMN id DROP IDENTITY, ALTER COLUMN id DROP NOT NULL;
    ALTER TABLE event_consumption_log ALTER COLUMN id DROP IDENTITY, ALTER COLUMN id DROP NOT NULL;
END
$$
"""


#: What was reported while the world was made.
MEANWHILE: list[Report] = []


@pytest.fixture(scope="module")
def world(fresh_settings: Settings) -> Tracked:
    made = asyncio.run(_make(fresh_settings))
    for region in fresh_settings.regions:
        with owner(fresh_settings, region) as connection:
            connection.execute(DROP_CONSTRAINTS)
            connection.execute("CREATE SCHEMA kept")
            for table in TABLES:
                connection.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
    return made


async def _make(settings: Settings) -> Tracked:
    making = asyncio.create_task(make_tracked_world(settings))
    while not making.done():
        async with kafka_topics(settings.broker_url) as topics, asyncio.timeout(30):
            MEANWHILE.append(await verify(settings, grace=600, samples=5, topics=topics))
    return await making


@pytest.fixture
def broken(world: Tracked) -> Iterator[Tracked]:
    """The world, whose us-east is put back as it was when the test is over."""
    yield world
    with owner(world.settings, "us-east") as connection, connection.transaction():
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept.{table}")


def plant(world: Tracked, sql: str) -> None:
    with owner(world.settings, "us-east") as connection:
        assert connection.execute(sql).rowcount > 0


async def look(world: Tracked, *, topics: bool = False, grace: float = 0.0) -> Report:
    if not topics:
        return await verify(world.settings, grace=grace, samples=5)
    async with kafka_topics(world.settings.broker_url) as opened:
        return await verify(world.settings, grace=grace, samples=5, topics=opened)


def found(report: Report) -> dict[str, int]:
    return {finding.check.name: finding.violations for finding in report.findings if finding.violations}


async def test_a_clean_world_passes_every_check(world: Tracked) -> None:
    report = await look(world, topics=True)
    assert found(report) == {}
    assert {finding.check for finding in report.findings} == {*CHECKS, *ON_TOPICS}
    figures = report.figures
    # Of each region one event has no topic, and each group chokes on another.
    assert (figures["published"], figures["pending"]) == (world.published, 0)
    assert figures["processed"] == (world.published - REGIONS) * len(GROUPS)
    assert figures["failed"] == REGIONS * (1 + len(GROUPS))
    assert figures["records"] == world.published + world.repeated
    assert figures["repeated"] == world.repeated > 0


def test_work_in_progress_is_no_violation(world: Tracked) -> None:
    assert [found(report) for report in MEANWHILE] == [{}] * len(MEANWHILE)
    # Some of them saw a part of it.
    assert {report.figures["processed"] for report in MEANWHILE} - {0, (world.published - REGIONS) * len(GROUPS)}


async def test_where_all_regions_are_one_database_each_row_counts_once(
    world: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    east = world.settings.regions["us-east"]
    regions = {
        name: east.model_copy(update={"localities": region.localities})
        for name, region in world.settings.regions.items()
    }
    settings = world.settings.model_copy(update={"regions": regions})
    monkeypatch.setitem(module.SQL._statements, "is_shared", b"SELECT true")
    report = await verify(settings, grace=0, samples=5)
    assert found(report) == {}
    assert report.figures["published"] == world.published / REGIONS
    monkeypatch.setitem(module.SQL._statements, "is_shared", b"SELECT false")
    assert set(found(await verify(settings, grace=0, samples=5))) == {"events_live_in_their_region"}


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: f"{one.check}: {one.what}")
async def test_a_violation_is_found(one: Plant, broken: Tracked) -> None:
    plant(broken, one.sql)
    await is_found(one, await look(broken))


@pytest.mark.parametrize("one", PLANTS_OF_TOPICS, ids=lambda one: f"{one.check}: {one.what}")
async def test_a_violation_is_found_on_the_topics(one: Plant, broken: Tracked) -> None:
    plant(broken, one.sql)
    await is_found(one, await look(broken, topics=True))


async def is_found(one: Plant, report: Report) -> None:
    assert one.check in found(report)
    finding = next(f for f in report.findings if f.check.name == one.check)
    assert finding.samples
    assert report.totals[finding.check.harm] >= finding.violations
    assert not report.clean


def test_every_check_has_a_violation_that_it_finds() -> None:
    assert {one.check for one in PLANTS} == {check.name for check in CHECKS}
    assert {one.check for one in PLANTS_OF_TOPICS} == {check.name for check in ON_TOPICS}


async def test_an_event_of_two_regions_is_found_in_both(broken: Tracked) -> None:
    for table in ("production", "consumption"):
        plant(broken, f"UPDATE event_{table}_log SET event_id = 'us-west-keyless' WHERE event_id = 'us-east-keyless'")
    report = await look(broken)
    assert found(report)["events_are_unique"] == 1
    assert found(report)["events_are_consumed_once"] == len(GROUPS)
    of = {f.check.name: f.samples for f in report.findings}
    assert of["events_are_unique"][0].region == "us-east and us-west"


async def test_what_waits_no_longer_than_it_may_is_no_violation(broken: Tracked) -> None:
    plant(broken, produced("status = 'PENDING', partition_number = NULL", LOST))
    plant(broken, "UPDATE event_consumption_log SET status = 'RECEIVED' WHERE event_id = 'us-east-keyless'")
    plant(broken, "UPDATE event_consumption_key SET processed_at = NULL WHERE event_id = 'us-east-keyless'")
    assert found(await look(broken, grace=600)) == {}
    assert {"no_event_waits_too_long", "no_consumption_hangs"} <= set(found(await look(broken)))


async def test_an_event_that_was_given_up_and_tried_again_has_no_place_in_the_order(broken: Tracked) -> None:
    first = "event_id = 'us-east-us-east-1-0'"
    plant(broken, produced('"offset" = "offset" + 500', first))
    assert "published_in_order" in found(await look(broken))
    plant(broken, produced('metadata = \'{"retried_at": "2026-01-01T00:00:00Z"}\'', first))
    assert found(await look(broken)) == {}


async def test_keys_of_days_that_are_gone_need_no_events(broken: Tracked) -> None:
    plant(broken, "DELETE FROM event_production_log WHERE event_id = 'us-east-nowhere'")
    assert "production_keys_have_events" in found(await look(broken))
    plant(
        broken,
        "UPDATE event_production_key SET created_at = now() - interval '3 days' WHERE event_id = 'us-east-nowhere'",
    )
    assert found(await look(broken)) == {}


async def test_a_record_that_nobody_wrote_down_is_found(world: Tracked) -> None:
    """Last: the record stays."""
    assert found(await look(world, topics=True)) == {}
    await send_raw(world.settings, TopicPartition(world.topic, 0), "undone")
    assert found(await look(world, topics=True)) == {"records_have_rows": 1}


def run_command(monkeypatch: pytest.MonkeyPatch, settings: Settings, *words: str) -> tuple[int, str]:
    monkeypatch.setattr("streams_app.commands.verify.load_settings", lambda: settings)
    result = CliRunner().invoke(verify_command, ["--system", "tracking", *words])
    return result.exit_code, result.stdout


def test_the_command_says_ok(world: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    status, text = run_command(monkeypatch, world.settings, "--grace", "0")
    expected = r"VERIFY OK published=\d+ processed=\d+ pending=0 failed=9 lost=0 duplicated=0 out_of_order=0 wrong=0"
    assert re.fullmatch(expected, text.splitlines()[-1])
    assert status == 0


def test_the_command_says_what_is_wrong(broken: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(broken, PLANTS_OF_TOPICS[0].sql)
    status, text = run_command(monkeypatch, broken.settings, "--json", "--topics", "--grace", "0")
    report = json.loads(text)
    assert (status, report["verdict"], report["system"]) == (1, "violated", "tracking")
    assert report["totals"]["lost"] > 0


def test_the_command_cannot_look(world: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = world.settings.database.model_copy(update={"name": "no_such_database"})
    assert run_command(monkeypatch, world.settings.model_copy(update={"database": nowhere}))[0] == 2
    no_broker = world.settings.model_copy(update={"broker_url": "kafka://127.0.0.1:1"})
    assert run_command(monkeypatch, no_broker, "--topics")[0] == 2


def test_topics_are_for_tracked_events() -> None:
    assert "--system tracking" in CliRunner().invoke(verify_command, ["--topics"]).output
