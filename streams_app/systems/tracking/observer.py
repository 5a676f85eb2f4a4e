"""Any Handler, observed: what became of its changes is written down as consumed events, after their effects."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import orjson

from streams_app import metrics
from streams_app.changefeed import Change, RecordLike
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import correlation_id, digest, event_id, event_type
from streams_app.delivery.ports import Handler, Outcome, Rejection
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError, RegionUnavailableError
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.consumption import ConsumptionLog, Incoming, count_processed


class ObservedHandler:
    """For systems whose effects carry their own identity: the log is their record, not their guard.

    It is written in the region of the effects, one round trip a batch, and before the batch is acked.
    """

    def __init__(self, inner: Handler, group: str, databases: Databases, settings: TrackingSettings) -> None:
        self._inner = inner
        self._databases = databases
        self._settings = settings
        self._log = ConsumptionLog(databases, group, inner.system, settings.max_retries)
        self.system = inner.system
        self.history = inner.history

    def decode(self, record: RecordLike) -> Change | None:
        """What the system says."""
        return self._inner.decode(record)

    def route(self, change: Change) -> str:
        """What the system says."""
        return self._inner.route(change)

    def ended(self, change: Change) -> bool:
        """What the system says."""
        return self._inner.ended(change)

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """What the system does, and then the record of it. Raises what the system raises."""
        began = time.perf_counter()
        outcome = await self._inner.process(route, changes)
        others = {id(change) for change in (*outcome.refused, *outcome.stale)}
        others |= {id(rejection.change) for rejection in outcome.rejected}
        done = [change for change in changes if id(change) not in others and self._is_tracked(change)]
        if done:
            await self._write(route, [_incoming(change) for change in done], time.perf_counter() - began)
        for rejection in outcome.rejected:
            if self._is_tracked(rejection.change):
                await self._fail(route, rejection)
        return outcome

    async def _fail(self, route: str, rejection: Rejection) -> None:
        error = f"{rejection.reason}: {rejection.detail}"
        await self._until_done(
            route, lambda: self._log.fail(route, _incoming(rejection.change), 0, error, rejection.stack)
        )
        metrics.TRACKING_FAILED.labels("consumed", self.system, rejection.change.topic).inc()

    def _is_tracked(self, change: Change) -> bool:
        return self._settings.level(change.topic) != "off"

    async def _write(self, route: str, events: Sequence[Incoming], seconds: float) -> None:
        async def write(connection: Connection) -> None:
            claim = await self._log.claim(connection, route, events)
            await self._log.finish(connection, route, claim, round(seconds * 1000), received=False)

        await self._until_done(route, lambda: in_transaction(self._databases, route, write))
        metrics.TRACKING_PROCESSING_SECONDS.labels(self.system).observe(seconds)
        count_processed(self.system, events)

    async def _until_done(self, route: str, operation: Callable[[], Awaitable[None]]) -> None:
        await until_done(
            operation,
            what=f"log of {self.system} in {route}",
            on_retry=lambda failure: metrics.RETRIES.labels(route, failure).inc(),
            give_up_on=(RegionUnavailableError, FencedError),
        )


def _incoming(change: Change) -> Incoming:
    """A change as an event: known by where it lies, since a changefeed sends no ids; it belongs to its key."""
    data = change.after or change.before or {}
    named = event_type(change.headers, data)
    return Incoming(
        event_id=event_id(change.headers, {}, (change.topic, change.partition, change.offset)),
        event_type=f"{change.table or 'row'}.{change.op}" if named == "unknown" else named,
        topic=change.topic,
        partition=change.partition,
        offset=change.offset,
        key=change.key,
        payload=orjson.dumps(data).decode(),
        data=data,
        correlation_id=correlation_id(change.headers, data) or change.key[:100],
        digest=digest(data),
    )
