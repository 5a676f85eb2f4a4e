"""The sample data of the SQL files, loaded region by region, and what `verify` says of it."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from streams_app.commands.schema import TABLES_SQL
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.localities import locality_of_number
from streams_app.systems.requests.verify import verify
from streams_app.systems.requests.workflow import WorkflowBook

pytestmark = pytest.mark.stack

FILE = TABLES_SQL / "postgres" / "requests" / "sample_data.sql"
FIGURES = {
    "account_info": 10_000,
    "account_number_claim": 10_000,
    "request_info": 1_000,
    "request_account_link": 1_000,
    "request_status_head": 1_000,
    "request_event_log": 200 + 2 * 400 + 3 * 400,
    "request_signal": 300,
    "trade_info": 5_000,
}


def load(settings: Settings) -> Counter[str]:
    """Run the file in every region, and count the rows of all of them."""
    found: Counter[str] = Counter()
    for region in settings.regions.values():
        with psycopg.connect(**connect_arguments(settings.database, region.server, "owner")) as connection:
            first, last = region.localities
            connection.execute(f"SET streams.first_locality = {first}; SET streams.last_locality = {last}")
            connection.execute(FILE.read_bytes())
            for table in FIGURES:
                [(rows,)] = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
                found[table] += rows
    return found


async def test_the_figures_and_the_proof(fresh_settings: Settings, book: WorkflowBook) -> None:
    assert load(fresh_settings) == FIGURES
    report = await verify(fresh_settings, book, grace=600, samples=5)
    assert report.clean, [finding for finding in report.findings if finding.violations]
    assert report.figures["by_status"] == {"PENDING": 200, "IN_PROGRESS": 300, "FAILED": 300, "CANCELLED": 200}
    assert min(report.figures["by_region"].values()) > 200


def test_a_rerun_adds_nothing(fresh_settings: Settings) -> None:
    load(fresh_settings)
    assert load(fresh_settings) == FIGURES


def test_the_claims_are_where_the_application_looks_for_them(fresh_settings: Settings) -> None:
    load(fresh_settings)
    for region in fresh_settings.regions.values():
        with psycopg.connect(**connect_arguments(fresh_settings.database, region.server, "owner")) as connection:
            rows = connection.execute("SELECT account_number, locality FROM account_number_claim").fetchall()
        assert rows
        assert all(locality_of_number(number) == locality for number, locality in rows)
