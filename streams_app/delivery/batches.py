"""The path of one batch: decode, order and dedup, process, remember. The caller acks after that.

When `process` returns, every record of the batch has had its effect committed, was seen before, asked for nothing,
is stored among the dead letters, or is one of those that `held` names. When it raises or is cancelled, nothing may be
acked: the batch is delivered again, and the guards in the databases make the repetition harmless.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from streams_app import metrics
from streams_app.changefeed import Change, RecordLike, Undecodable
from streams_app.delivery.ports import DeadLetter, DeadLetterSink, Handler, Mark, ParkingLot, Rejected, VersionTable
from streams_app.delivery.routes import Route, stored
from streams_app.delivery.sequencer import Limits
from streams_app.delivery.settlement import Settled

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """Records after decoding: the changes and, beside them, their records; what could not be decoded."""

    size: int = 0
    changes: list[Change] = field(default_factory=list)
    records: list[RecordLike] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    #: Seconds that decoding took.
    seconds: float = 0.0
    _record_of: dict[int, RecordLike] | None = None

    def record_of(self, change: Change) -> RecordLike:
        """The record of one of the changes."""
        if self._record_of is None:
            self._record_of = {id(change): record for change, record in zip(self.changes, self.records, strict=True)}
        return self._record_of[id(change)]


class BatchProcessor:
    """The batches of one lane of one system. Hand it records of one or many partitions, each partition's in order."""

    def __init__(
        self,
        handler: Handler,
        versions: VersionTable,
        dead_letters: DeadLetterSink,
        parking: ParkingLot | None = None,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
    ) -> None:
        """Without a parking lot a batch waits until its routes are up."""
        self._handler = handler
        self._versions = versions
        self._dead_letters = dead_letters
        self._parking = parking
        self._limits = limits
        self._system = handler.system
        self._routes: dict[str, Route] = {}
        self._shown_held = 0

    def decode(self, records: Sequence[RecordLike], earlier: Batch | None = None) -> Batch:
        """The first stage: no I/O, so it may run while the batch before is on its way. Adds to `earlier` records."""
        batch = earlier or Batch()
        batch.size += len(records)
        began = time.perf_counter()
        decode, changes, kept = self._handler.decode, batch.changes, batch.records
        ignored: Counter[str] = Counter()
        for record in records:
            try:
                change = decode(record)
            except (Undecodable, Rejected) as error:
                batch.letters.append(DeadLetter(self._system, record, error.reason, error.detail))
                continue
            if change is None:
                ignored[record.topic] += 1
                continue
            changes.append(change)
            kept.append(record)
        for topic, count in ignored.items():
            metrics.RECORDS.labels(self._system, topic, "ignored").inc(count)
        batch.seconds += time.perf_counter() - began
        return batch

    async def process(self, batch: Batch) -> None:
        """The rest of the path. Raises FencedError, and what a person must look at."""
        answers = await asyncio.gather(
            *(route.settle(changes, batch.record_of) for route, changes in self._by_route(batch.changes)),
            return_exceptions=True,
        )
        parts: list[Settled] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            parts.append(answer)
        letters = [*batch.letters, *(letter for part in parts for letter in part.letters)]
        if letters:
            await self._bury(letters)
        with metrics.stage(self._system, "remember"):
            # One changelog batch per partition: a second one would wait until the first is sent.
            for partition, marks in _merged(parts).items():
                await self._versions.remember(partition, marks)
        self._count(batch, parts)

    def _by_route(self, changes: Sequence[Change]) -> Iterable[tuple[Route, list[Change]]]:
        """The changes of each route, and the routes where something is due without any."""
        by_name: dict[str, list[Change]] = {}
        route_of = self._handler.route
        for change in changes:
            name = route_of(change)
            if name in by_name:
                by_name[name].append(change)
            else:
                by_name[name] = [change]
        for name, route in self._routes.items():
            if name not in by_name and route.order.due() == 0:
                by_name[name] = []
        return [(self._route(name), of_route) for name, of_route in by_name.items()]

    def _route(self, name: str) -> Route:
        if name not in self._routes:
            self._routes[name] = Route(name, self._handler, self._versions, self._parking, self._limits)
        return self._routes[name]

    def held(self) -> list[RecordLike]:
        """The records that wait for an earlier one: they must not be acked."""
        waiting = (record for route in self._routes.values() for _, record in route.order.held())
        return [record for record in waiting if record.offset >= 0]

    def due(self) -> float | None:
        """Seconds until `process` wants to be called, if need be with an empty batch; None: not at all."""
        return min((due for route in self._routes.values() if (due := route.order.due()) is not None), default=None)

    def clear(self) -> None:
        """The partitions are gone: forget what waits."""
        for route in self._routes.values():
            route.order.clear()
        self._show_held()

    def _show_held(self) -> None:
        # The lanes of an agent share the gauge.
        held = sum(route.order.waiting for route in self._routes.values())
        metrics.HELD.labels(self._system).inc(held - self._shown_held)
        self._shown_held = held

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        await stored(partial(self._dead_letters.send, letters), "dead letters")
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

    def _count(self, batch: Batch, parts: Sequence[Settled]) -> None:
        metrics.BATCH_SIZE.labels(self._system).observe(batch.size)
        metrics.BATCH_SECONDS.labels(self._system, "decode").observe(batch.seconds)
        for part in parts:
            metrics.GAPS.labels(self._system).inc(part.gaps)
            for outcome, changes in (
                ("applied", part.applied),
                ("stale", part.stale),
                ("duplicate", part.duplicates),
                ("held", part.held),
            ):
                for topic, count in Counter([change.topic for change in changes]).items():
                    metrics.RECORDS.labels(self._system, topic, outcome).inc(count)
        self._show_held()
        metrics.LAST_PROGRESS.labels(self._system).set(time.time())


def _merged(parts: Sequence[Settled]) -> dict[int, dict[str, Mark]]:
    marks: dict[int, dict[str, Mark]] = {}
    for part in parts:
        for partition, of_partition in part.marks.items():
            marks.setdefault(partition, {}).update(of_partition)
    return marks
