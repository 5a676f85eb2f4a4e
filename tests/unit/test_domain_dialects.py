"""Both SQL dialects describe the same domains of allocations: tables, constraints, indexes, rights, who may connect."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from streams_app.allocation_settings import DOMAINS
from streams_app.commands.schema import STEP_DOMAINS
from streams_app.topics import ALLOCATION_TOPICS
from tests.unit.dialects import DIALECTS, TABLES_SQL, Table, grants, roles, tables, text
from tests.unit.test_dialects import REGION_COLUMN

# PostgreSQL alone: what Debezium needs.
POSTGRES_TABLES = {"debezium_heartbeat"}
# Who reads what a changefeed sends: on PostgreSQL all the rest comes from the publication.
CHANGEFEED_OF = {"trades": {"execution"}}
# A row that was written is never changed; only a group of accounts is ever removed.
APPEND_ONLY = {
    "reference": {"security"},
    "market": {"daily_price"},
    "holdings": {"model", "model_target", "customer_order", "booked_part"},
    "orders": {"routed_slice", "routed_quantity"},
    "trades": {"execution"},
    "allocations": {"snapshot", "fill"},
}
REMOVABLE = {"holdings": {"eligibility_group"}}
# Tables of a domain in which steps work, beside its own.
STEPS = "allocations/steps/[0-9]*.sql"


def files(domain: str) -> str:
    return f"allocations/{domain}/[0-9]*.sql"


def both(domain: str) -> tuple[dict[str, Table], dict[str, Table]]:
    postgres, cockroachdb = (tables(dialect, files(domain)) for dialect in DIALECTS)
    return {name: table for name, table in postgres.items() if name not in POSTGRES_TABLES}, cockroachdb


def homeless(table: Table) -> Table:
    """`table` without the region that its rows live in."""
    return replace(table, columns={name: c for name, c in table.columns.items() if name != REGION_COLUMN})


def test_all_domains_are_there() -> None:
    for dialect in DIALECTS:
        found = {path.name for path in (TABLES_SQL / dialect / "allocations").iterdir()}
        assert found - {"steps"} == set(DOMAINS)
    assert sum(len(both(domain)[0]) for domain in DOMAINS) == 27


@pytest.mark.parametrize("domain", DOMAINS)
def test_tables_are_the_same(domain: str) -> None:
    postgres, cockroachdb = both(domain)
    assert postgres.keys() == cockroachdb.keys()
    for name, table in postgres.items():
        assert list(table.columns) == list(cockroachdb[name].columns), name
        assert table == cockroachdb[name], name
        assert table.primary_key, name


@pytest.mark.parametrize("domain", DOMAINS)
def test_rights_are_the_same(domain: str) -> None:
    postgres, cockroachdb = (grants(dialect, files(domain)) for dialect in DIALECTS)
    for role in (f"streams_{domain}", "streams_readonly"):
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            assert postgres.get((role, right), set()) == cockroachdb.get((role, right), set()), (role, right)
    for given in (postgres, cockroachdb):
        assert {role for role, _ in given} <= {f"streams_{domain}", "streams_readonly", "streams_replication"}
        assert given.get(("streams_replication", "SELECT"), set()) - POSTGRES_TABLES == CHANGEFEED_OF.get(domain, set())
        assert {right for role, right in given if role == "streams_readonly"} == {"SELECT"}
    assert cockroachdb.get(("streams_replication", "CHANGEFEED"), set()) == CHANGEFEED_OF.get(domain, set())


@pytest.mark.parametrize("domain", DOMAINS)
def test_nobody_changes_an_append_only_table(domain: str) -> None:
    for dialect in DIALECTS:
        given = grants(dialect, files(domain))
        role = f"streams_{domain}"
        changed = given.get((role, "UPDATE"), set())
        assert given[role, "INSERT"] - changed == APPEND_ONLY[domain], dialect
        assert given.get((role, "DELETE"), set()) == REMOVABLE.get(domain, set()), dialect
        assert not any(right in ("TRUNCATE", "ALL") for _, right in given), dialect


def test_logs_and_fences_are_those_of_the_regions_without_homes() -> None:
    regional = {**tables("cockroachdb", "delivery/[0-9]*.sql"), **tables("cockroachdb", "tracking/[0-9]*.sql")}
    assert tables("cockroachdb", STEPS) == {name: homeless(table) for name, table in regional.items()}
    assert len(regional) == 7


def test_rights_to_logs_and_fences_are_those_of_the_regions() -> None:
    shared = [grants("cockroachdb", f"{system}/[0-9]*.sql") for system in ("delivery", "tracking")]
    expected = {
        (role, right): {name for given in shared for name in given.get((role, right), set())}
        for role, right in {key for given in shared for key in given}
        if role != "pgb"
    }
    assert grants("cockroachdb", STEPS) == expected


def test_no_row_of_a_domain_has_a_home() -> None:
    assert not re.search(rf"{REGION_COLUMN}|LOCALITY", text("cockroachdb", "allocations/*/[0-9]*.sql"))


def test_each_domain_has_a_role_that_alone_may_connect() -> None:
    sql = text("cockroachdb", "roles.sql")
    assert f"REVOKE CONNECT ON DATABASE {', '.join(DOMAINS)} FROM public" in sql
    for domain in DOMAINS:
        assert f"streams_{domain}" in roles("postgres") & roles("cockroachdb")
        assert f"GRANT CONNECT ON DATABASE {domain} TO streams_{domain};" in sql
        postgres = text("postgres", files(domain))
        assert "REVOKE CONNECT ON DATABASE %I FROM PUBLIC" in postgres
        assert f"ON DATABASE %I TO streams_{domain}, streams_readonly, streams_replication'" in postgres


def test_every_topic_has_a_changefeed() -> None:
    fed = {domain: re.findall(r"topic_name=([\w.-]+)&", text("cockroachdb", f"allocations/{domain}/changefeeds.sql"))
           for domain in STEP_DOMAINS}  # fmt: skip
    assert {topic for topics in fed.values() for topic in topics} == {topic.name for topic in ALLOCATION_TOPICS}
    assert all(len(topics) == len(set(topics)) for topics in fed.values())
    assert fed["trades"] == ["allocations.executions"]
