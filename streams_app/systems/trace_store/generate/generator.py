"""Sessions as records for the thirteen topics: the same blueprint always gives the same ones. No I/O and no clock.

Records come in the order of their time, as far as sessions overlap, and those of a session always do. Most sessions
are short; every hundredth has hundreds of events, every thousandth a thousand, every five thousandth five thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush, heapreplace
from random import Random
from typing import Any, Final
from uuid import UUID

import orjson

from streams_app.systems.trace_store.generate.sessions import Told, told
from streams_app.systems.trace_store.schemas import SCHEMA_VERSION

#: Events of a long session, of which there is one in a thousand.
LONG: Final = 1000
_HUGE: Final = 5000
# Of the sessions, those whose events carry an id of their own, and those that are traced elsewhere, too.
_WITH_IDS, _TRACED = 0.2, 0.3


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What decides the sessions: so many events in all, in the `span` that ends at `until`."""

    seed: int
    events: int
    until: datetime
    span: timedelta


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """What a producer sends."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class _Session:
    """A session before its records are written: who it is, when it began, what is told of it."""

    index: int
    rng: Random
    session_id: str
    began: datetime
    stretch: float
    events: list[Told]
    with_ids: bool
    trace: str | None

    def time(self, place: int) -> datetime:
        """When an event happened."""
        return self.began + timedelta(seconds=self.events[place].after * self.stretch)


def sizes(blueprint: Blueprint) -> list[int]:
    """How many events each session has; the last one has what is left."""
    found: list[int] = []
    left = blueprint.events
    while left > 0:
        found.append(min(left, _size(blueprint.seed, len(found))))
        left -= found[-1]
    return found


def records(blueprint: Blueprint) -> Iterator[TraceRecord]:
    """All events, as records."""
    counts = sizes(blueprint)
    # By the time of what each session says next.
    going: list[tuple[datetime, int, int, _Session]] = []
    for index, size in enumerate(counts):
        session = _session(blueprint, index, size, (index + 0.5) / len(counts))
        while going and going[0][0] <= session.began:
            yield _next(going)
        heappush(going, (session.time(0), index, 0, session))
    while going:
        yield _next(going)


def _next(going: list[tuple[datetime, int, int, _Session]]) -> TraceRecord:
    time, index, place, session = going[0]
    if place + 1 < len(session.events):
        heapreplace(going, (session.time(place + 1), index, place + 1, session))
    else:
        heappop(going)
    return _record(session, time, session.events[place])


def _size(seed: int, index: int) -> int:
    rng = Random(f"{seed}:size:{index}")  # noqa: S311 (repeatable on purpose)
    if index % 5000 == 2500:
        return _HUGE
    if index % 1000 == 0:
        return LONG
    return rng.randint(100, 400) if index % 100 == 50 else rng.randint(10, 40)


def _session(blueprint: Blueprint, index: int, size: int, share: float) -> _Session:
    rng = Random(f"{blueprint.seed}:{index}")  # noqa: S311 (repeatable on purpose)
    session_id = str(UUID(int=rng.getrandbits(128), version=4))
    events = told(size, rng)
    span = blueprint.span.total_seconds()
    # Nothing happens before the span or after it, however long the session is.
    stretch = min(1.0, span / events[-1].after) if events[-1].after else 1.0
    room = span - events[-1].after * stretch
    began = blueprint.until - timedelta(seconds=span - share * room)
    with_ids = rng.random() < _WITH_IDS
    trace = f"{rng.getrandbits(127) + 1:032x}" if rng.random() < _TRACED else None
    return _Session(index, rng, session_id, began, stretch, events, with_ids, trace)


def _record(session: _Session, time: datetime, event: Told) -> TraceRecord:
    data: dict[str, Any] = {
        "session_id": session.session_id,
        "timestamp": time,
        "schema_version": SCHEMA_VERSION,
    }
    if session.with_ids:
        data["event_id"] = str(UUID(int=session.rng.getrandbits(128), version=4))
    data.update(event.fields)
    headers: tuple[tuple[str, bytes | None], ...] = ()
    if session.trace is not None:
        headers = (("traceparent", f"00-{session.trace}-{session.rng.getrandbits(63) + 1:016x}-01".encode()),)
    return TraceRecord(event.topic, session.session_id.encode(), orjson.dumps(data), headers)
