"""One route of one lane: it applies changes in order, or parks them while the route is down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from streams_app import metrics
from streams_app.changefeed import Change
from streams_app.delivery.ordering import NewestOrder, RecordOf, SequenceOrder
from streams_app.delivery.ports import Handler, ParkingLot, VersionTable
from streams_app.delivery.retry import until_done
from streams_app.delivery.sequencer import Limits
from streams_app.delivery.settlement import Settled
from streams_app.errors import RegionUnavailableError

# Seconds between attempts at a route that is down, while its parked records wait.
PARKED_PAUSE = 0.25


class Route:
    """The changes of one lane that go to one region."""

    def __init__(
        self, name: str, handler: Handler, versions: VersionTable, parking: ParkingLot | None, limits: Limits
    ) -> None:
        """Without a parking lot the changes wait until the route is up."""
        self._name = name
        self._parking = parking
        self._system = handler.system
        self.order: NewestOrder | SequenceOrder
        if handler.history is None:
            self.order = NewestOrder(name, handler, versions)
        else:
            self.order = SequenceOrder(name, handler, handler.history, versions, limits)

    async def settle(self, changes: Sequence[Change], record_of: RecordOf) -> Settled:
        """Bring changes to their end, or park them. Raises FencedError and what a person must look at."""
        while True:
            try:
                if self._parking is None or not self._parking.holds(self._name):
                    return await self.order.settle(changes, record_of)
            except RegionUnavailableError:
                if self._parking is None:
                    await asyncio.sleep(PARKED_PAUSE)
                    continue
            assert self._parking is not None
            await self._park(self._parking, changes, record_of)
            return Settled()

    async def _park(self, parking: ParkingLot, changes: Sequence[Change], record_of: RecordOf) -> None:
        """Store the records of changes, and those that waited for them, each partition's as they came."""
        waiting = self.order.held()
        known = {id(change) for change, _ in waiting}
        # What was read from the log is still there.
        records = [record for _, record in waiting if record.offset >= 0]
        records += [record_of(change) for change in changes if id(change) not in known]
        records.sort(key=lambda record: record.offset)
        if records:
            await stored(partial(parking.park, self._name, records), "parked records")
            metrics.PARKED.labels(self._system, self._name).inc(len(records))
        self.order.clear()


async def stored(operation: Callable[[], Awaitable[None]], what: str) -> None:
    """Try until the broker has it."""
    await until_done(operation, what=what, on_retry=lambda failure: metrics.RETRIES.labels("kafka", failure).inc())
