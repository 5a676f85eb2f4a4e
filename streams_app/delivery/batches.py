"""The path of one batch: decode, order and dedup, process, remember. The caller acks after that.

When `process` returns, every record of the batch has had its effect committed, was seen before, asked for nothing,
or is stored among the dead letters. When it raises or is cancelled, nothing may be acked: the batch is delivered again,
and the guards in the databases make the repetition harmless.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from streams_app import metrics
from streams_app.changefeed import Change, RecordLike, Undecodable
from streams_app.delivery.ports import (
    DeadLetter,
    DeadLetterSink,
    Handler,
    Mark,
    ParkingLot,
    Rejected,
    Rejection,
    VersionTable,
)
from streams_app.delivery.retry import until_done
from streams_app.delivery.sequencer import Sequenced, sequence, sequence_number
from streams_app.errors import RegionUnavailableError

logger = logging.getLogger(__name__)


Origin = dict[tuple[str, int, int], RecordLike]

# Seconds between attempts at a route that is down, while its parked records wait.
PARKED_PAUSE = 0.25


class BatchProcessor:
    """One system's batches. Hand it the records of one or many partitions, each partition's in order."""

    def __init__(
        self, handler: Handler, versions: VersionTable, dead_letters: DeadLetterSink, parking: ParkingLot | None = None
    ) -> None:
        """Without a parking lot a batch waits until its routes are up."""
        self._handler = handler
        self._versions = versions
        self._dead_letters = dead_letters
        self._parking = parking
        self._system = handler.system

    async def process(self, records: Sequence[RecordLike]) -> None:
        """Process one batch to its end. Raises only what a person must look at; then nothing may be acked."""
        await self._process(records, self._parking)

    async def process_parked(self, records: Sequence[RecordLike]) -> None:
        """Process records that were parked, waiting for their route as long as it takes."""
        await self._process(records, None)

    async def _process(self, records: Sequence[RecordLike], parking: ParkingLot | None) -> None:
        with metrics.stage(self._system, "decode"):
            changes, origin, letters = self._decode(records)
        with metrics.stage(self._system, "sequence"):
            sequenced = sequence(changes, self._versions)
        done, rejections = await self._apply_by_route(sequenced.passed, origin, parking)
        letters += [DeadLetter(self._system, origin[_place(r.change)], r.reason, r.detail, r.stack) for r in rejections]
        if letters:
            await self._bury(letters)
        with metrics.stage(self._system, "remember"):
            await self._remember(done)
        self._count(len(records), sequenced, done)

    def _decode(self, records: Sequence[RecordLike]) -> tuple[list[Change], Origin, list[DeadLetter]]:
        changes: list[Change] = []
        origin: Origin = {}
        letters: list[DeadLetter] = []
        for record in records:
            try:
                change = self._handler.decode(record)
            except (Undecodable, Rejected) as error:
                letters.append(DeadLetter(self._system, record, error.reason, error.detail))
                continue
            if change is None:
                metrics.RECORDS.labels(self._system, record.topic, "ignored").inc()
                continue
            changes.append(change)
            origin[_place(change)] = record
        return changes, origin, letters

    async def _apply_by_route(
        self, changes: Sequence[Change], origin: Origin, parking: ParkingLot | None
    ) -> tuple[list[Change], list[Rejection]]:
        """Process changes, routes side by side; returns those that are done and those that never can be."""
        routes: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            routes[self._handler.route(change)].append(change)
        answers = await asyncio.gather(
            *(self._apply_or_park(route, of_route, origin, parking) for route, of_route in routes.items()),
            return_exceptions=True,
        )
        done: list[Change] = []
        rejections: list[Rejection] = []
        for (route, of_route), answer in zip(routes.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                metrics.PARKED.labels(self._system, route).inc(len(of_route))
                continue
            rejected = {id(rejection.change) for rejection in answer}
            rejections += answer
            done += [change for change in of_route if id(change) not in rejected]
        return done, rejections

    async def _apply_or_park(
        self, route: str, changes: Sequence[Change], origin: Origin, parking: ParkingLot | None
    ) -> list[Rejection] | None:
        """Process changes of one route; None when they are parked instead."""
        while True:
            try:
                if parking is None or not parking.holds(route):
                    return await self._apply(route, changes)
            except RegionUnavailableError:
                if parking is None:
                    await asyncio.sleep(PARKED_PAUSE)
                    continue
            assert parking is not None
            records = [origin[_place(change)] for change in changes]
            await self._store(partial(parking.park, route, records), "parked records")
            return None

    async def _apply(self, route: str, changes: Sequence[Change]) -> list[Rejection]:
        """Process changes; one that fails for good is searched by halves, so that its neighbours commit."""
        try:
            return list(await self._handler.process(route, changes))
        except RegionUnavailableError:
            raise
        except Exception as error:
            if len(changes) == 1:
                change = changes[0]
                logger.exception("%s: change of %s at %s fails for good", self._system, change.key, _place(change))
                detail = f"{type(error).__name__}: {error}"[:500]
                return [Rejection(change, "processing_failed", detail, traceback.format_exc(limit=20))]
        middle = len(changes) // 2
        return await self._apply(route, changes[:middle]) + await self._apply(route, changes[middle:])

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        await self._store(partial(self._dead_letters.send, letters), "dead letters")
        for letter in letters:
            metrics.DEAD_LETTERS.labels(self._system, letter.reason).inc()
            metrics.RECORDS.labels(self._system, letter.record.topic, "dead").inc()
            record = letter.record
            logger.warning(
                "dead letter: %s (%s)",
                letter.reason,
                letter.detail,
                extra={"topic": record.topic, "partition": record.partition, "offset": record.offset},
            )

    async def _store(self, operation: Callable[[], Awaitable[None]], what: str) -> None:
        await until_done(operation, what=what, on_retry=lambda failure: metrics.RETRIES.labels("kafka", failure).inc())

    async def _remember(self, done: Sequence[Change]) -> None:
        marks: dict[int, dict[str, Mark]] = defaultdict(dict)
        for change in done:
            if sequence_number(change) is not None:
                assert change.version is not None
                marks[change.partition][change.key] = Mark(change.version)
        for partition, remembered in marks.items():
            await self._versions.remember(partition, remembered)

    def _count(self, records: int, sequenced: Sequenced, done: Sequence[Change]) -> None:
        metrics.BATCH_SIZE.labels(self._system).observe(records)
        metrics.GAPS.labels(self._system).inc(sequenced.gaps)
        for change in sequenced.duplicates:
            metrics.RECORDS.labels(self._system, change.topic, "duplicate").inc()
        for change in done:
            metrics.RECORDS.labels(self._system, change.topic, "applied").inc()
        metrics.LAST_PROGRESS.labels(self._system).set(time.time())


def _place(change: Change) -> tuple[str, int, int]:
    return change.topic, change.partition, change.offset
