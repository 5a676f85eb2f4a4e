"""One line for each thing that can be wrong with a region, with the next step in it."""

import psycopg
import pytest
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from streams_app.advice import explain, is_misconfigured, state_of


@pytest.mark.parametrize(
    ("error", "state", "step"),
    [
        (pg.DiskFull("could not extend file"), "53100", "make room"),
        (pg.TooManyConnections("sorry"), "53300", "max_connections"),
        (pg.ReadOnlySqlTransaction("cannot execute INSERT"), "25006", "primary"),
        (pg.UndefinedTable('relation "x" does not exist'), "42P01", "migrate"),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "a"'), "28P01", "right password"),
        (psycopg.OperationalError("FATAL: SASL authentication failed"), "28P01", "right password"),
        (psycopg.OperationalError('FATAL:  database "nowhere" does not exist'), "3D000", "create the database"),
        (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "53300", "default_pool_size"),
        (psycopg.OperationalError("connection refused: Connection refused"), "08001", "make up"),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), "57P03", "goes on by itself"),
    ],
)
def test_the_line_names_the_next_step(error, state, step):
    assert state_of(error) == state
    assert step in explain(error)
    assert "\n" not in explain(error)


def test_what_is_not_known_is_said_as_it_is():
    assert explain(ValueError("two\nlines")) == "two lines"
    assert explain(TimeoutError()) == "TimeoutError"
    assert explain(PoolTimeout("region us-east: away")) == "region us-east: away"


def test_only_what_somebody_must_mend_is_misconfigured():
    assert is_misconfigured(pg.UndefinedTable("x"))
    assert is_misconfigured(psycopg.OperationalError("FATAL: no such user"))
    assert not is_misconfigured(pg.DiskFull("x"))
    assert not is_misconfigured(psycopg.OperationalError("Connection refused"))
