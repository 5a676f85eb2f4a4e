"""The tracked consumer: an event has its effect once, in the transaction that says so, and its way is written down."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from streams_app import metrics
from streams_app.backoff import Backoff
from streams_app.changefeed import Change, FeedSpec, Op, RecordLike, Undecodable
from streams_app.changefeed.text import parse, text
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import correlation_id, digest, event_id, event_type
from streams_app.delivery.ports import Outcome, Rejection
from streams_app.delivery.retry import until_done
from streams_app.errors import FailureClass, FencedError, RegionUnavailableError, classify
from streams_app.settings import Settings
from streams_app.systems.tracking.consumption import Claim, ConsumptionLog, Incoming, count_processed

#: Makes the effects of events that nobody processed before, in the transaction of the connection.
Work: TypeAlias = Callable[[Connection, str, Sequence[Incoming]], Awaitable[None]]
#: The region that an event's effect belongs to.
Route: TypeAlias = Callable[[Incoming], str]

# Between tries of an event that failed by itself, in seconds: its partition waits, so they are short.
FAILED = Backoff(first=0.1, most=2.0)
# Seconds that a batch may fail by conflicts and time-outs, before its events are tried apart.
RETRY_BUDGET = 60.0


@dataclass(frozen=True, slots=True)
class EventChange(Change):
    """A consumed event on its way through the delivery core."""

    event: Incoming


class TrackedConsumer:
    """A Handler of events: give it to a BatchProcessor with `NoVersions`.

    `work` is called with events that were not processed before, in order per partition; what it writes is committed
    with the note that they are. When it raises for good, its events are tried apart; the one that fails alone is
    tried again `max_retries` times, and is a dead letter then. An id that comes with another payload is one at once.
    """

    # Events of a key need not be numbered.
    history = None

    def __init__(self, system: str, group: str, databases: Databases, route: Route, work: Work, settings: Settings):
        self.system = system
        self._databases = databases
        self._route = route
        self._work = work
        self._settings = settings.tracking
        self._spec = FeedSpec(max_value_bytes=settings.max_value_bytes)
        self._log = ConsumptionLog(databases, group, system, settings.tracking.max_retries)

    def decode(self, record: RecordLike) -> EventChange:
        """The event in a record. Raises Undecodable."""
        if record.value is None:
            raise Undecodable("null_value", "an event without payload")
        data = parse(record.value, self._spec)
        if not isinstance(data, dict):
            raise Undecodable("not_an_object", "the payload of an event must be an object")
        headers, place = tuple(record.headers or ()), (record.topic, record.partition, record.offset)
        event = Incoming(
            event_id=event_id(headers, data, place),
            event_type=event_type(headers, data),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=text(record.key) if record.key else None,
            payload=record.value.decode(),
            data=data,
            correlation_id=correlation_id(headers, data),
            digest=digest(data),
        )
        key = event.key or event.event_id
        return EventChange(*place, key, None, Op.INSERT, None, data, headers, None, None, None, (key,), event)

    def route(self, change: Change) -> str:
        """The region that the event's effect belongs to."""
        return self._route(_event(change))

    def ended(self, change: Change) -> bool:
        """Events have no end."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Give every event its effect, once. Raises RegionUnavailableError, FencedError, and what failed for good."""
        first, again = _distinct(changes)
        events = [_event(change) for change in first]
        attempt = self._once if len(events) > 1 else self._with_retries
        claim = await until_done(
            lambda: attempt(route, events),
            what=f"{self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
            budget=RETRY_BUDGET,
        )
        count_processed(self.system, claim.fresh)
        fresh = {event.event_id for event in claim.fresh}
        known = [change for change in first if _event(change).event_id not in fresh]
        return await self._outcome(route, known, again)

    async def _outcome(self, route: str, known: Sequence[Change], again: Sequence[tuple[Change, Change]]) -> Outcome:
        """Of events that were not processed now: some were before, the ids of others stand for other payloads."""
        conflicts: set[str] = set()
        if known:
            conflicts = await self._log.conflicts(route, [_event(change) for change in known])
        rejected = [change for change in known if _event(change).event_id in conflicts]
        other = [change for change, earlier in again if change.after != earlier.after]
        if other:
            await self._log.note_conflicts(route, [_event(change) for change in other])
        wrong = {id(change) for change in (*rejected, *other)}
        stale = [change for change in (*known, *(change for change, _ in again)) if id(change) not in wrong]
        return Outcome([_conflict(change) for change in (*rejected, *other)], stale=stale)

    async def _once(self, route: str, events: Sequence[Incoming]) -> Claim:
        began = time.perf_counter()
        full = [event for event in events if self._settings.level(event.topic) == "full"]
        if full:
            await self._log.begin(route, await self._log.receive(route, full))

        async def effects(connection: Connection) -> Claim:
            claim = await self._log.claim(connection, route, events)
            if claim.fresh:
                await self._work(connection, route, claim.fresh)
                milliseconds = round((time.perf_counter() - began) * 1000)
                for level, received in (("full", True), ("outcome", False)):
                    part = self._part(claim, level)
                    await self._log.finish(connection, route, part, milliseconds, received=received)
            return claim

        claim = await in_transaction(self._databases, route, effects)
        metrics.TRACKING_PROCESSING_SECONDS.labels(self.system).observe(time.perf_counter() - began)
        return claim

    def _part(self, claim: Claim, level: str) -> Claim:
        return Claim([event for event in claim.fresh if self._settings.level(event.topic) == level], claim.rows)

    async def _with_retries(self, route: str, events: Sequence[Incoming]) -> Claim:
        """One event alone: what fails for good is written down, and tried again a few times."""
        event, tries = events[0], 0
        while True:
            try:
                return await self._once(route, events)
            except Exception as error:
                if isinstance(error, FencedError) or classify(error) is not FailureClass.PERMANENT:
                    raise
                if self._settings.level(event.topic) != "off":
                    message = f"{type(error).__name__}: {error}"[:2000]
                    await self._log.fail(route, event, tries, message, traceback.format_exc(limit=20))
                if tries == self._settings.max_retries:
                    metrics.TRACKING_FAILED.labels("consumed", self.system, event.topic).inc()
                    raise
                tries += 1
                metrics.TRACKING_RETRIED.labels("consumed", self.system, event.topic).inc()
                await asyncio.sleep(FAILED.pause(tries, random.random()))  # noqa: S311 (spread, not secrecy)


def _event(change: Change) -> Incoming:
    assert isinstance(change, EventChange)
    return change.event


def _distinct(changes: Sequence[Change]) -> tuple[list[Change], list[tuple[Change, Change]]]:
    """The first event of each id, and those that came again with the one before."""
    first: dict[str, Change] = {}
    again: list[tuple[Change, Change]] = []
    for change in changes:
        earlier = first.setdefault(_event(change).event_id, change)
        if earlier is not change:
            again.append((change, earlier))
    return list(first.values()), again


def _conflict(change: Change) -> Rejection:
    return Rejection(change, "event_conflict", f"event {_event(change).event_id} came before with another payload")
