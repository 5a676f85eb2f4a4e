"""One classification of failures: what may be tried again, what never will work, what must be looked up.

SQLSTATE classes are those of PostgreSQL's appendix A and CockroachDB's transaction retry reference.
"""

from __future__ import annotations

from enum import StrEnum

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class FailureClass(StrEnum):
    """What a failure means for the work that met it."""

    TRANSIENT = "transient"  # the same work may succeed later
    PERMANENT = "permanent"  # the same work can never succeed
    AMBIGUOUS = "ambiguous"  # the work may have succeeded: read back before deciding


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it, its value and what is expected."""


class StartError(RuntimeError):
    """Something outside does not fit (a topic, a table, a workflow); the message says what to do."""


class StalledError(RuntimeError):
    """The worker has work and makes no progress: it ends, so that something starts it again."""


class RetriesExhaustedError(RuntimeError):
    """What may be tried again failed until its budget was spent."""


class FencedError(RuntimeError):
    """Another worker has the partitions now: nothing of the batch may be acked, and nothing more be written."""


class RegionUnavailableError(ConnectionError):
    """The region's breaker is open: the region is not even asked."""

    def __init__(self, region: str) -> None:
        super().__init__(f"region {region} is down")
        self.region = region


# 40 rollback, 53 out of resources, 55 not in the needed state, 57 operator intervention, 08 connection,
# 25P03 a transaction that was idle too long (a worker that stood still).
_TRANSIENT_CLASSES = ("40", "53", "55", "57", "08", "25P03")
_AMBIGUOUS = frozenset({"40003", "08007"})


# Nobody there, shutting down, or out of resources: the region as a whole is in trouble, not one transaction.
_OUTAGE_CLASSES = ("08", "53", "57")
# The region is not set up right: it only reads, lets nobody in, has no such database, or tables of another version.
# Waiting does not mend it, but no record is to blame: all of them wait until somebody does.
MISCONFIGURED = frozenset({"25006", "28000", "28P01", "3D000", "42501", "42703", "42883", "42P01"})
#: What somebody who waits at a command line wants to hear at once.
MISCONFIGURED_ERRORS = tuple(psycopg.errors.lookup(state) for state in sorted(MISCONFIGURED))
# A statement that took too long is the statement's trouble.
_QUERY_CANCELED = "57014"


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that the database cannot be worked with at all."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        state = error.sqlstate
        return state in MISCONFIGURED or (state[:2] in _OUTAGE_CLASSES and state != _QUERY_CANCELED)
    if isinstance(error, psycopg.InternalError):
        return False  # a server that is dying will say so the next time; what is wrong in psycopg must end
    return classify(error) is not FailureClass.PERMANENT


def classify(error: BaseException) -> FailureClass:
    """The class of `error`. What is not known to be transient is permanent."""
    if isinstance(error, PoolTimeout | TooManyRequests | PoolClosed | TimeoutError | ConnectionError):
        return FailureClass.TRANSIENT
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state in _AMBIGUOUS:
            return FailureClass.AMBIGUOUS
        if state is not None:
            passes = state.startswith(_TRANSIENT_CLASSES) or state in MISCONFIGURED
            return FailureClass.TRANSIENT if passes else FailureClass.PERMANENT
        # No SQLSTATE: the connection itself failed, perhaps while the commit was on its way. A server that dies in the
        # middle of its answer makes psycopg speak of an internal error ("received 2 results from command 'BEGIN'").
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
            return FailureClass.AMBIGUOUS
    return FailureClass.PERMANENT
