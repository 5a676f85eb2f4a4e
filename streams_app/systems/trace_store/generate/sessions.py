"""What happens in a session: exchanges one after the other, many of which follow from the one before, and what the
session says of itself between them. Pure: all chance comes from the caller."""

from __future__ import annotations

from itertools import accumulate
from math import exp, log
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from streams_app.systems.trace_store.generate.bodies import (
    dead_letter_body,
    failed_body,
    request_body,
    response_body,
    status_body,
)
from streams_app.systems.trace_store.schemas import (
    ACTIONS,
    STATUS_TOPIC,
    dead_letter_topic,
    request_topic,
    response_topic,
)

# By kind: how often it is asked for, the median of its processing times in milliseconds, and how far they spread. The
# averages are one above 5000 ms, one above 2000, one above 1000, and one below (seed 002).
_WEIGHTS: Final = list(accumulate((3, 4, 2, 1)))
_TIMES: Final = {"analyze": (5000.0, 0.5), "validate": (300.0, 0.8), "pattern": (2100.0, 0.5), "mixin": (1100.0, 0.5)}
# Of the exchanges: those that follow from the one before, those whose answer is a failure, those that are given up.
_FOLLOWS, _FAILS, _GIVEN_UP = 0.6, 0.05, 0.02
# Of the rest: what the session says of itself.
_SAYS = 0.15
# Seconds after which a service gives up a request, for each try.
_PATIENCE = 10.0


class Told(NamedTuple):
    """An event: seconds after the session began, where it is told, and what."""

    after: float
    topic: str
    fields: dict[str, Any]


def told(size: int, rng: Random) -> list[Told]:
    """The events of a session of that many, at least one, in order."""
    events: list[Told] = []
    now, before = 0.0, None
    while len(events) < size - 1:
        if not events or len(events) == size - 2 or rng.random() < _SAYS:
            now += rng.random() / 10
            events.append(_status(now, "processing", len(events) / size, rng))
        else:
            parent = before if rng.random() < _FOLLOWS else None
            exchange, before = _exchange(now + rng.expovariate(2.0), parent, rng)
            events += exchange
            now = exchange[-1].after
    events.append(_status(now + rng.random(), "failed" if rng.random() < 0.03 else "completed", 1.0, rng))
    return events


def _exchange(asked: float, parent: str | None, rng: Random) -> tuple[list[Told], str]:
    """A request and its end, and the id that they share."""
    action = rng.choices(ACTIONS, cum_weights=_WEIGHTS)[0]
    correlation = str(UUID(int=rng.getrandbits(128), version=4))
    ids = {"correlation_id": correlation}
    if parent is not None:
        ids["parent_correlation_id"] = parent
    body = request_body(action, rng)
    drawn = rng.random()
    retries = _retries(rng)
    request = ids | body | {"metadata": _metadata("omniclaude", "omniarchon", retries)}
    if drawn < _GIVEN_UP:
        fields = dead_letter_body(body, rng) | {"metadata": _metadata("omniarchon", "omniclaude", 3)}
        topic, ended = dead_letter_topic(action), asked + 3 * _PATIENCE
    else:
        failed = drawn < _GIVEN_UP + _FAILS
        median, spread = _TIMES[action]
        milliseconds = int(exp(rng.gauss(log(median), spread)))
        answer = failed_body(action, rng) if failed else response_body(action, rng)
        fields = answer | {
            "status": "failed" if failed else "completed",
            "processing_time_ms": milliseconds,
            "metadata": _metadata("omniarchon", "omniclaude", retries),
        }
        topic, ended = response_topic(action), asked + milliseconds / 1000 + 0.002
    return [Told(asked, request_topic(action), request), Told(ended, topic, ids | fields)], correlation


def _status(after: float, status: str, progress: float, rng: Random) -> Told:
    metadata = _metadata("omniclaude", "dashboard", 0)
    return Told(after, STATUS_TOPIC, {"status": status, **status_body(progress, rng), "metadata": metadata})


def _retries(rng: Random) -> int:
    drawn = rng.random()
    return 0 if drawn < 0.93 else 1 if drawn < 0.98 else 2


def _metadata(source: str, destination: str, retries: int) -> dict[str, Any]:
    return {"source": source, "destination": destination, "retries": retries}
