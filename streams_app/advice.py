"""What a failed database says, in one line, with the next step in it. Pure."""

from __future__ import annotations

import re

import psycopg

from streams_app.errors import MISCONFIGURED

# By SQLSTATE (PostgreSQL's appendix A).
_STEPS = {
    "25006": "the server only reads: let the region's pooler point at the primary",
    "28000": "the server lets nobody in under this name: see `database.*_user` and the server's pg_hba.conf",
    "08001": "nobody answers there: is it running? (`make up` starts the local stack)",
    "28P01": "set the right password: STREAMS_DATABASE__APP_PASSWORD or database.app_password_file (OWNER, READONLY)",
    "3D000": "create the database, or name the right one in STREAMS_DATABASE__NAME",
    "42501": "grants are missing: run `faust -A streams_app migrate`",
    "42703": "the tables are of another version: run `faust -A streams_app migrate`",
    "42883": "the tables are of another version: run `faust -A streams_app migrate`",
    "42P01": "tables are missing: run `faust -A streams_app migrate`",
    "53100": "its disk is full: make room; the work waits and goes on by itself",
    "53200": "it is out of memory: lower the pooler's default_pool_size; the work waits and goes on by itself",
    "53300": "it has no connection left: lower the pooler's default_pool_size or raise the server's max_connections",
    "57P03": "it is starting or stopping: the work waits and goes on by itself",
}
# A refused connection has no SQLSTATE of its own in libpq, only these words.
_WORDS = (
    (re.compile(r"Connection refused|timeout expired|could not translate host name"), "08001"),
    (re.compile(r"password authentication failed|SASL authentication failed|no such user"), "28P01"),
    (re.compile(r"role .* does not exist|no pg_hba\.conf entry"), "28000"),
    (re.compile(r"database .* does not exist|no such database"), "3D000"),
    (
        re.compile(r"too many clients|too many connections|remaining connection slots|no more connections allowed"),
        "53300",
    ),
    (re.compile(r"No space left on device"), "53100"),
    (re.compile(r"the database system is (starting up|shutting down|in recovery mode)"), "57P03"),
)


def state_of(error: BaseException) -> str | None:
    """The SQLSTATE that `error` has or, for a connection that was refused, that its words mean."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate
    text = str(error)
    return next((state for words, state in _WORDS if words.search(text)), None)


def explain(error: BaseException) -> str:
    """`error` in one line, then what to do about it, where that is known."""
    text = " ".join(str(error).split()) or type(error).__name__
    step = _STEPS.get(state_of(error) or "")
    return f"{text}; {step}" if step else text


def is_misconfigured(error: BaseException) -> bool:
    """Whether somebody has to mend the region's set-up before anything works there."""
    return state_of(error) in MISCONFIGURED
