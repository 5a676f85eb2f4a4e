"""Whose pooler work goes through: that of its own region, a central one, or one for readers."""

from __future__ import annotations

import pytest

from deploy.local import REGIONS, Stack
from streams_app.databases import Databases
from streams_app.settings import RegionSettings, Settings
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.workflow import WorkflowBook
from tests.integration.data import account_in, insert_account

pytestmark = pytest.mark.stack


def centralized(settings: Settings, central: str) -> Settings:
    """Everything through the pooler of `central`, which knows each region's database by a name of its own."""
    regions = {
        name: region.model_copy(update={"pooler_database": f"streams-{name}"})
        for name, region in settings.regions.items()
    }
    # The others' own poolers are nowhere: nobody may want them.
    regions |= {n: r.model_copy(update={"pooler": "127.0.0.1:1"}) for n, r in regions.items() if n != central}
    return settings.model_copy(update={"regions": regions, "routing": "centralized", "central_region": central})


@pytest.mark.parametrize("central", REGIONS)
async def test_a_central_pooler_reaches_the_rows_of_every_region(
    settings: Settings, databases: Databases, central: str
) -> None:
    async with Databases(centralized(settings, central)) as through_one:
        for region in REGIONS:
            account = await insert_account(through_one, account_in(through_one, region))
            async with databases.connection(region) as connection:
                query = "SELECT count(*) FROM account_info WHERE account_id = %s"
                assert await (await connection.execute(query, (account,))).fetchone() == (1,)
        assert set(through_one.stats()) == set(REGIONS)


async def test_one_logical_database_has_one_pool_when_centralized(settings: Settings) -> None:
    regions = {name: region.model_copy(update={"pooler_database": None}) for name, region in settings.regions.items()}
    database = settings.database.model_copy(update={"dialect": "cockroachdb"})
    changes = {"regions": regions, "database": database, "routing": "centralized", "central_region": "us-east"}
    async with Databases(settings.model_copy(update=changes)) as databases:
        assert list(databases.stats()) == ["us-east"]
        for region in REGIONS:
            async with databases.connection(region) as connection:
                assert connection.info.port == int(settings.regions["us-east"].pooler.rpartition(":")[2])


async def test_readers_have_a_pooler_of_their_own(settings: Settings, stack: Stack) -> None:
    away = settings.regions["us-east"].model_copy(
        update={"pooler": "127.0.0.1:1", "readonly_pooler": stack.parts["pgbouncer-us-east"].address}
    )
    only: dict[str, RegionSettings] = {"us-east": away}
    readers = Databases(settings.model_copy(update={"regions": only}), "readonly")
    async with readers, readers.connection("us-east") as connection:
        assert await (await connection.execute("SELECT current_user")).fetchone() == ("streams_readonly",)


async def test_verify_reads_where_readers_read(settings: Settings, stack: Stack, book: WorkflowBook) -> None:
    regions = {
        name: region.model_copy(update={"pooler": "127.0.0.1:1", "readonly_pooler": region.pooler})
        for name, region in settings.regions.items()
    }
    report = await verify(settings.model_copy(update={"regions": regions}), book, grace=60, samples=1)
    assert set(report.figures["by_region"]) == set(REGIONS)


def test_regions_whose_rows_would_mix_are_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="pooler_database of its own"):
        Settings(routing="centralized", central_region="us-east", regions=settings.regions)
    with pytest.raises(ValueError, match="'us-north' is no region"):
        Settings(routing="centralized", central_region="us-north", regions=settings.regions)
