"""An account number belongs to one account, whichever regions the accounts are in that want it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from streams_app.databases import Databases
from streams_app.settings import Settings
from streams_app.systems.requests.generate.accounts import GeneratedAccounts
from streams_app.systems.requests.generate.histories import write_accounts
from streams_app.systems.requests.localities import locality_of_number
from streams_app.systems.requests.model import Account
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.workflow import WorkflowBook

pytestmark = pytest.mark.stack


def wanting(databases: Databases, seed: str, number: str) -> dict[str, Account]:
    """An account in each region, all with the same number."""
    made = GeneratedAccounts(seed, databases.regions)
    return {region: replace(made.named(region, "one"), account_number=number) for region in databases.regions.names}


async def holders(databases: Databases, table: str, number: str) -> list[tuple[str, object]]:
    """Region and account of every row with that number."""
    found = []
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            cursor = await connection.execute(
                f"SELECT account_id FROM {table} WHERE account_number = %s".encode(), (number,)
            )
            found += [(region, row[0]) for row in await cursor.fetchall()]
    return found


@pytest.mark.parametrize("attempt", range(5))
async def test_of_several_regions_one_gets_the_number(
    fresh_databases: Databases, fresh_settings: Settings, book: WorkflowBook, attempt: int
) -> None:
    number = f"ACCT-RACE-{attempt}"
    accounts = wanting(fresh_databases, number, number)
    for expected in (1, 0):
        new = await asyncio.gather(*(write_accounts(fresh_databases, r, [a]) for r, a in accounts.items()))
        assert sum(new) == expected
    [(region, owner)] = await holders(fresh_databases, "account_info", number)
    assert accounts[region].account_id == owner
    # The claim is where the number says, not where the account is.
    assert await holders(fresh_databases, "account_number_claim", number) == [
        (fresh_databases.regions.of(locality_of_number(number)), owner)
    ]
    report = await verify(fresh_settings, book, grace=60, samples=3)
    assert report.clean


async def test_a_refused_account_is_not_written_and_the_others_are(
    fresh_databases: Databases, caplog: pytest.LogCaptureFixture
) -> None:
    made = GeneratedAccounts("refused", fresh_databases.regions)
    first, second, other = (made.named("us-east", name) for name in ("first", "second", "other"))
    assert await write_accounts(fresh_databases, "us-east", [first]) == 1
    thief = replace(second, account_number=first.account_number)
    with caplog.at_level(logging.WARNING):
        assert await write_accounts(fresh_databases, "us-east", [thief, other]) == 1
    assert await holders(fresh_databases, "account_info", first.account_number) == [("us-east", first.account_id)]
    expected = (
        f"{thief.account_id} is not written: its number {first.account_number} belongs to account {first.account_id}"
    )
    assert [expected in record.getMessage() for record in caplog.records] == [True]


async def test_one_number_twice_in_a_batch(fresh_databases: Databases) -> None:
    made = GeneratedAccounts("batch", fresh_databases.regions)
    one, other = (replace(made.named("us-west", name), account_number="ACCT-TWICE") for name in ("one", "other"))
    assert await write_accounts(fresh_databases, "us-west", [one, other]) == 1
