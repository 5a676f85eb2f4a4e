"""Both SQL dialects describe the same tables, constraints, indexes and rights; differences are named with reasons."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.unit.dialects import DIALECTS, MIGRATIONS, Index, Table, grants, roles, tables, text

# CockroachDB alone: the region that a row is homed in.
REGION_COLUMN = "computed_region"
# CockroachDB alone: PostgreSQL reads the primary key backwards as fast as forwards.
COCKROACHDB_INDEXES = {"request_event_log_latest"}
# PostgreSQL alone: a summary of pages by time. CockroachDB has a plain index there, and the region leads it.
SUMMARIES = {
    *("event_production_key_created", "event_production_created"),
    *("event_consumption_key_created", "event_consumption_created"),
}
# PostgreSQL alone: a day, or a month, is dropped as a whole. CockroachDB has no partitions by time.
PARTITIONED = {
    "event_production_log": "created_at",
    "event_consumption_log": "created_at",
    "event_logs": '"timestamp"',
    "outbox": "occurred_at",
}
# PostgreSQL alone: a database holds one region, and an index with it is taken for too many questions.
WITHOUT_REGION = {"event_logs"}
# CockroachDB reads backwards more slowly than forwards.
TURNED_ROUND = {"idx_event_logs_session_timestamp"}
# PostgreSQL alone: what Debezium needs.
POSTGRES_TABLES = {"debezium_heartbeat"}
# The same empty array, which CockroachDB wants to know the type of.
OTHER_DEFAULTS = {
    ("account_info", "permissions"): {"'{}'", "array[]:::string[]"},
    # A sequence lives in one region, and these numbers need no order.
    ("event_session_touched", "id"): {None, "unique_rowid()"},
}
# CockroachDB's pooler may log in as one user for all.
COCKROACHDB_ROLES = {"pgb"}
# PostgreSQL grants reading by ALL TABLES, which is more than a changefeed needs.
MORE_FOR_REPLICATION = {
    *(MIGRATIONS, "delivery_fence", "event_relay", "event_relay_shard"),
    *("event_production_key", "event_consumption_key", "event_consumption_log"),
}
APPEND_ONLY = {
    "event_logs",
    "outbox",
    "request_event_log",
    "request_signal",
    "request_account_link",
    "account_number_claim",
}

POSTGRES, COCKROACHDB = (tables(dialect) for dialect in DIALECTS)
SHARED = sorted(set(POSTGRES) - POSTGRES_TABLES)


def both(table: str) -> tuple[Table, Table]:
    return POSTGRES[table], COCKROACHDB[table]


def test_tables() -> None:
    assert len(SHARED) == 27
    assert set(SHARED) == set(COCKROACHDB)


def test_columns() -> None:
    for table in SHARED:
        one, other = both(table)
        assert list(one.columns) == [name for name in other.columns if name != REGION_COLUMN], table
        for name, column in one.columns.items():
            twin = other.columns[name]
            if (allowed := OTHER_DEFAULTS.get((table, name))) is not None:
                assert {column.default, twin.default} == allowed
            else:
                assert column.default == twin.default, (table, name)
            for what in ("type", "nullable", "check", "refers_to", "computed"):
                assert getattr(column, what) == getattr(twin, what), (table, name, what)


def test_keys_and_unique_constraints() -> None:
    for table in SHARED:
        one, other = both(table)
        key = other.primary_key[1:] if table in WITHOUT_REGION else other.primary_key
        assert one.primary_key == key != (), table
        assert one.unique == other.unique, table
        assert one.checks == other.checks, table


def test_partitions() -> None:
    assert {name: table.partitioned_by for name, table in POSTGRES.items() if table.partitioned_by} == {
        name: f"range ({column})" for name, column in PARTITIONED.items()
    }
    assert not any(table.partitioned_by for table in COCKROACHDB.values())
    assert {name: len(POSTGRES[name].checks) for name in PARTITIONED} == {
        "event_production_log": 2,
        "event_consumption_log": 2,
        "event_logs": 0,
        "outbox": 0,
    }


def test_indexes() -> None:
    for table in SHARED:
        one, other = both(table)
        twins = {n: i for n, i in other.indexes.items() if n not in COCKROACHDB_INDEXES}
        assert one.indexes.keys() == twins.keys(), table
        for name, index in one.indexes.items():
            if name in SUMMARIES:
                assert index == Index(("created_at",), frozenset(), None, "brin"), name
                assert twins[name] == Index(("region", "created_at"), frozenset(), None), name
            elif name in TURNED_ROUND:
                forwards = tuple(column.removesuffix(" desc") for column in index.columns)
                assert twins[name] == replace(index, columns=forwards) != index, name
            else:
                assert index == twins[name], name
                assert index.method in ("btree", "gin"), name


def test_the_indexes_of_the_logs() -> None:
    assert {name: len(POSTGRES[name].indexes) for name in sorted(PARTITIONED)} == {
        "event_consumption_log": 6,
        "event_logs": 9,
        "event_production_log": 7,
        "outbox": 1,
    }
    by_method = [index.method for index in POSTGRES["event_logs"].indexes.values()]
    assert (by_method.count("btree"), by_method.count("gin")) == (7, 2)
    assert POSTGRES["event_production_log"].indexes["event_production_open"].condition == "status = 'pending'"
    assert POSTGRES["event_consumption_log"].indexes["idx_cons_topic_partition_offset"].columns[2] == "offset"


def test_every_key_of_a_regional_table_begins_with_the_locality() -> None:
    regional = [table for table in COCKROACHDB.values() if "locality" in table.columns]
    assert len(regional) == 9
    for table in regional:
        assert REGION_COLUMN in table.columns
        assert {key[0] for key in (table.primary_key, *table.unique)} == {"locality"}


def test_every_key_of_the_event_tables_begins_with_the_region() -> None:
    regional = [table for table in COCKROACHDB.values() if "region" in table.columns]
    assert len(regional) == 13
    for table in regional:
        assert REGION_COLUMN in table.columns
        assert {key[0] for key in (table.primary_key, *table.unique)} == {"region"}


def test_every_table_has_a_place() -> None:
    sql = text("cockroachdb")
    assert sql.count("LOCALITY GLOBAL") == 5
    assert sql.count(f"LOCALITY REGIONAL BY ROW AS {REGION_COLUMN}") == len(COCKROACHDB) - 5


def test_roles() -> None:
    assert roles("postgres") == roles("cockroachdb") - COCKROACHDB_ROLES
    for dialect in DIALECTS:
        read_only = "ALTER ROLE streams_readonly SET default_transaction_read_only = on"
        assert read_only in text(dialect, "roles.sql")


def test_rights() -> None:
    postgres, cockroachdb = grants("postgres"), grants("cockroachdb")
    for role in ("streams_app", "streams_readonly"):
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            given = postgres.get((role, right), set()) - POSTGRES_TABLES
            assert given == cockroachdb.get((role, right), set()), (role, right)
    assert cockroachdb["streams_app", "INSERT"] >= APPEND_ONLY
    reads = postgres["streams_replication", "SELECT"] - POSTGRES_TABLES - MORE_FOR_REPLICATION
    assert reads == cockroachdb["streams_replication", "SELECT"]


def test_the_pooler_has_the_rights_of_the_application() -> None:
    given = grants("cockroachdb")
    assert {right: names for (role, right), names in given.items() if role == "pgb"} == {
        right: names for (role, right), names in given.items() if role == "streams_app"
    }


def test_nobody_changes_an_append_only_table() -> None:
    for dialect in DIALECTS:
        for (role, right), names in grants(dialect).items():
            assert right not in ("UPDATE", "DELETE", "TRUNCATE", "ALL") or not names & APPEND_ONLY, (
                dialect,
                role,
                right,
            )


def test_the_sample_data_is_the_same() -> None:
    one, other = (text(dialect, "requests/sample_data.sql") for dialect in DIALECTS)
    paths = [re.findall(r"VALUES (.*?) AS p \(", sql) for sql in (one, other)]
    assert len(paths[0]) == 1
    assert paths[0] == paths[1]
    written = [re.findall(r"INSERT INTO (\w+) \((.*?)\)", sql) for sql in (one, other)]
    assert len(written[0]) == 8
    assert written[0] == written[1]
    assert all(count in sql for sql in (one, other) for count in ("generate_series(1, 10000)", "a.n <= 1000"))
