"""What is tried again, and how long the pauses are."""

import asyncio
from types import SimpleNamespace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from streams_app.delivery.retry import Backoff, until_done
from streams_app.errors import FailureClass, RetriesExhaustedError, classify, is_outage

TRANSIENT, PERMANENT, AMBIGUOUS = FailureClass.TRANSIENT, FailureClass.PERMANENT, FailureClass.AMBIGUOUS


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (pg.SerializationFailure(), TRANSIENT),
        (pg.DeadlockDetected(), TRANSIENT),
        (pg.StatementCompletionUnknown(), AMBIGUOUS),
        (pg.AdminShutdown(), TRANSIENT),
        (pg.CannotConnectNow(), TRANSIENT),
        (pg.ConnectionFailure(), TRANSIENT),
        (pg.ProtocolViolation(), TRANSIENT),
        (pg.TransactionResolutionUnknown(), AMBIGUOUS),
        (pg.QueryCanceled(), TRANSIENT),
        (pg.LockNotAvailable(), TRANSIENT),
        (pg.TooManyConnections(), TRANSIENT),
        (psycopg.OperationalError("server closed the connection unexpectedly"), AMBIGUOUS),
        (psycopg.InternalError("received 2 results from command 'BEGIN'"), AMBIGUOUS),
        (pg.DataCorrupted(), PERMANENT),
        (PoolTimeout(), TRANSIENT),
        (TimeoutError(), TRANSIENT),
        (ConnectionResetError(), TRANSIENT),
        (pg.UniqueViolation(), PERMANENT),
        (pg.NumericValueOutOfRange(), PERMANENT),
        (pg.UntranslatableCharacter(), PERMANENT),
        # The region's set-up is wrong, not the record.
        (pg.UndefinedTable(), TRANSIENT),
        (pg.InsufficientPrivilege(), TRANSIENT),
        (pg.ReadOnlySqlTransaction(), TRANSIENT),
        (pg.IdleInTransactionSessionTimeout(), TRANSIENT),
        (ZeroDivisionError(), PERMANENT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_classes_of_failures(error, expected):
    assert classify(error) is expected


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest_and_never_nothing(attempt, fraction):
    assert 0 < Backoff().pause(attempt, fraction) <= Backoff().most


async def test_transient_failures_are_tried_again_until_it_works():
    failures: list[Exception] = [pg.SerializationFailure(), PoolTimeout(), pg.StatementCompletionUnknown()]
    noted: list[FailureClass] = []
    pauses: list[float] = []

    async def operation() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await until_done(operation, what="it", on_retry=noted.append, sleep=sleep) == "done"
    assert noted == [TRANSIENT, TRANSIENT, AMBIGUOUS]
    assert len(pauses) == 3


async def test_a_permanent_failure_is_raised_at_once():
    calls = 0

    async def operation() -> None:
        nonlocal calls
        calls += 1
        raise pg.UniqueViolation

    with pytest.raises(pg.UniqueViolation):
        await until_done(operation, what="it", on_retry=lambda _: None)
    assert calls == 1


async def test_cancelling_ends_the_attempts():
    async def operation() -> None:
        raise PoolTimeout

    task = asyncio.ensure_future(until_done(operation, what="it", on_retry=lambda _: None))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_budget_ends_the_attempts_at_what_is_no_outage(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("streams_app.delivery.retry.time", SimpleNamespace(monotonic=lambda: now[0]))
    attempts: list[Exception] = []

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    def failing(error: Exception):
        async def operation() -> None:
            attempts.append(error)
            now[0] += 1
            if len(attempts) < 500:
                raise error

        return operation

    arguments = {"what": "work", "on_retry": lambda failure: None, "budget": 60.0, "sleep": sleep}
    with pytest.raises(RetriesExhaustedError, match="attempts failed"):
        await until_done(failing(pg.QueryCanceled("too slow")), **arguments)
    assert 55 < now[0] < 70  # the last pause is not made
    # A region that is away costs nothing of the budget.
    attempts.clear()
    await until_done(failing(pg.AdminShutdown("restart")), **arguments)
    assert len(attempts) == 500


def test_a_statement_that_took_too_long_is_no_outage():
    assert not is_outage(pg.QueryCanceled())
    assert is_outage(pg.AdminShutdown())
    # It is tried again, but not for ever.
    assert not is_outage(psycopg.InternalError("received 2 results from command 'BEGIN'"))
    assert classify(RetriesExhaustedError()) is PERMANENT
