"""The trace store as the delivery core sees it: which topics it consumes, and how a batch is processed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import psycopg

from streams_app import metrics
from streams_app.changefeed import Change, RecordLike
from streams_app.databases import Databases
from streams_app.delivery.ports import Outcome, Rejection
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError, RegionUnavailableError
from streams_app.system_settings import TraceSettings
from streams_app.systems.trace_store.decoding import Decoder, TraceChange
from streams_app.systems.trace_store.model import NewEvent
from streams_app.systems.trace_store.months import ensure_months
from streams_app.systems.trace_store.store import Added, TraceWriter

SYSTEM = "trace_store"
# Seconds that a batch may fail by conflicts and time-outs, before its events are tried apart.
RETRY_BUDGET = 60.0


def decoder_of(settings: TraceSettings) -> Decoder:
    """What makes rows of records, within the limits of the settings."""
    return Decoder(
        settings.max_payload_bytes,
        timedelta(seconds=settings.clock_tolerance),
        timedelta(days=settings.retention_days),
    )


class TraceHandler:
    """Stores events, each once, in the region of its session, whatever order they come in."""

    system = SYSTEM
    # Events need not be numbered.
    history = None

    def __init__(self, writer: TraceWriter, databases: Databases, settings: TraceSettings) -> None:
        self._writer = writer
        self._databases = databases
        self._settings = settings
        self._decoder = decoder_of(settings)

    def decode(self, record: RecordLike) -> TraceChange:
        """The event in a record. Raises Undecodable and Rejected."""
        return self._decoder.decode(record)

    def route(self, change: Change) -> str:
        """The region of the event's session."""
        assert isinstance(change, TraceChange)
        return self._databases.regions.of_account(change.session)

    def ended(self, change: Change) -> bool:
        """Events have no end."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Store events. Raises RegionUnavailableError, FencedError, and what failed for good."""
        events = [_event(change) for change in changes]
        added = await until_done(
            lambda: self._add(route, events),
            what=f"{self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
            budget=RETRY_BUDGET,
        )
        metrics.EFFECTS.labels(SYSTEM, route, "event").inc(len(added.new))
        stale, left = [], set(added.new)
        for number, (change, event) in enumerate(zip(changes, events, strict=True)):
            if event.event_id in left:
                left.discard(event.event_id)
            elif number not in added.others:
                stale.append(change)
        return Outcome([_conflict(changes[number]) for number in sorted(added.others)], stale=stale)

    async def _add(self, route: str, events: Sequence[NewEvent]) -> Added:
        try:
            return await self._writer.add(route, events)
        except psycopg.errors.CheckViolation as error:
            # Without a constraint's name: there is no partition for a row.
            if error.diag.constraint_name is not None:
                raise
            await ensure_months(self._databases, route, self._settings)
            return await self._writer.add(route, events)


def _event(change: Change) -> NewEvent:
    assert isinstance(change, TraceChange)
    return change.event


def _conflict(change: Change) -> Rejection:
    return Rejection(
        change, "event_conflict", f"event {_event(change).event_id} came before with another payload at the same time"
    )
