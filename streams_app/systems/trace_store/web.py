"""The tracer's answers as JSON for whoever knows the token. Parts of a request go in, a status and data come out."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from streams_app.advice import explain
from streams_app.delivery.replays import moment
from streams_app.errors import RegionUnavailableError, is_outage
from streams_app.systems.trace_store.session_tables import correlation_dict, metrics_dict
from streams_app.systems.trace_store.tracer import CodegenEventTracer

logger = logging.getLogger(__name__)

_SCHEME: Final = "bearer"
_CLOSED: Final = "these pages are closed: set trace_store.token or trace_store.token_file to open them"
_UNKNOWN: Final = "Authorization: Bearer TOKEN is missing or wrong; the token is trace_store.token of the worker"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the parts of its path that vary, its query, and its Authorization header."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, and what the body says: anything that orjson can write."""

    status: int
    data: Any


class NotFoundError(LookupError):
    """Nobody knows what was asked for; the message says what that was."""


Page = Callable[[CodegenEventTracer, Asked], Awaitable[Any]]


async def answer(page: Page, tracer: CodegenEventTracer, token: str | None, asked: Asked) -> Answer:
    """The answer of a page to a request.

    403 while no token is set, 401 without the right one; 400 for bad input, 404 for what nobody knows, 503 while a
    region that is needed does not answer; all with a sentence. Raises what else goes wrong.
    """
    if not token:
        return _refusal(403, _CLOSED)
    if not _knows(token, asked.authorization):
        return _refusal(401, _UNKNOWN)
    try:
        return Answer(200, await page(tracer, asked))
    except NotFoundError as error:
        return _refusal(404, str(error))
    except ValueError as error:
        return _refusal(400, str(error))
    except Exception as error:
        if not is_outage(error):
            raise
        logger.warning("a page of traces has no answer: %s", explain(error))
        which = f"region {error.region}" if isinstance(error, RegionUnavailableError) else "a region"
        return _refusal(503, f"{which} does not answer; ask again later, and see the worker's log for why")


async def sessions(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """The latest sessions."""
    query = _query(asked, "limit", "after")
    return await tracer.sessions(_number(query, "limit", 100), query.get("after"))


async def session(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """The events of a session in the last `hours`, oldest first."""
    query = _query(asked, "hours", "limit", "after")
    session_id = _uuid(asked.path["session_id"])
    hours = _number(query, "hours", 24)
    trace = await tracer.trace_session_events(session_id, hours, _number(query, "limit", 1000), query.get("after"))
    if not trace.total:
        raise NotFoundError(
            f"no event of session {session_id} in the last {hours} hours: look further back with hours="
        )
    return trace


async def session_metrics(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """The figures of a session."""
    _query(asked)
    session_id = _uuid(asked.path["session_id"])
    metrics = await tracer.get_session_metrics(session_id)
    if metrics is None:
        raise NotFoundError(f"no event of session {session_id} is stored")
    return metrics_dict(metrics)


async def correlation(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """The chain of an exchange."""
    query = _query(asked, "hops", "limit")
    correlation_id = _uuid(asked.path["correlation_id"])
    hops, limit = _number(query, "hops", 5), _number(query, "limit", 1000)
    trace = await tracer.find_correlated_events(correlation_id, hops, limit)
    if not trace.exchanges:
        raise NotFoundError(f"no event of correlation id {correlation_id} is stored")
    return correlation_dict(trace)


async def search(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """Events by what they hold, newest first."""
    query = _query(asked, "payload", "metadata", "since", "until", "limit", "after")
    return await tracer.search(
        _object(query, "payload"),
        _object(query, "metadata"),
        _time(query, "since"),
        _time(query, "until"),
        _number(query, "limit", 100),
        query.get("after"),
    )


async def slow_topics(tracer: CodegenEventTracer, asked: Asked) -> Any:
    """The topics of the last 24 hours, the slowest first."""
    query = _query(asked, "limit")
    return {"topics": await tracer.slow_topics(_number(query, "limit", 100))}


#: The pages, by the pattern of their path.
PAGES: Final[Mapping[str, Page]] = {
    "/traces/sessions/": sessions,
    "/traces/sessions/{session_id}/": session,
    "/traces/sessions/{session_id}/metrics/": session_metrics,
    "/traces/correlations/{correlation_id}/": correlation,
    "/traces/search/": search,
    "/traces/slow-topics/": slow_topics,
}


def _refusal(status: int, sentence: str) -> Answer:
    return Answer(status, {"error": sentence})


def _knows(token: str, authorization: str | None) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    # Compared in the same time wherever they differ: a refusal tells nothing of the token.
    same = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
    return same and scheme.lower() == _SCHEME


def _query(asked: Asked, *known: str) -> Mapping[str, str]:
    """The query. A name that is not known may be a slip: it is refused."""
    for name in asked.query:
        if name not in known:
            names = ", ".join(known) or "no parameters"
            raise ValueError(f"{name[:80]!r} is no parameter of this page: expected {names}")
    return asked.query


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{name}={text[:80]!r}: expected a whole number")
    return int(text)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r}: expected a UUID") from None


def _object(query: Mapping[str, str], name: str) -> Any:
    text = query.get(name)
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f'{name}: {error}; expected an object, such as {{"node_type": "effect"}}') from None


def _time(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    # A plus sign is a blank in a query, unless it is written %2B.
    return None if text is None else moment(text.replace(" ", "+") if "T" in text else text)
