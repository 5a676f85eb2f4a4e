"""The path of one batch: decode, order and dedup, process, remember. The caller acks after that.

When `process` returns, every record of the batch has had its effect committed, was seen before, asked for nothing,
or is stored among the dead letters. When it raises or is cancelled, nothing may be acked: the batch is delivered again,
and the guards in the databases make the repetition harmless.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Sequence

from streams_app import metrics
from streams_app.changefeed import Change, RecordLike, Undecodable
from streams_app.delivery.ports import DeadLetter, DeadLetterSink, Handler, Rejected, Rejection, VersionTable
from streams_app.delivery.retry import until_done
from streams_app.delivery.sequencer import Sequenced, sequence, sequence_number

logger = logging.getLogger(__name__)


class BatchProcessor:
    """One system's batches. Hand it the records of one or many partitions, each partition's in order."""

    def __init__(self, handler: Handler, versions: VersionTable, dead_letters: DeadLetterSink) -> None:
        self._handler = handler
        self._versions = versions
        self._dead_letters = dead_letters
        self._system = handler.system

    async def process(self, records: Sequence[RecordLike]) -> None:
        """Process one batch to its end. Raises only what a person must look at; then nothing may be acked."""
        with metrics.stage(self._system, "decode"):
            changes, origin, letters = self._decode(records)
        with metrics.stage(self._system, "sequence"):
            sequenced = sequence(changes, self._versions)
        rejections = await self._apply(sequenced.passed)
        letters += [
            DeadLetter(
                self._system, origin[r.change.topic, r.change.partition, r.change.offset], r.reason, r.detail, r.stack
            )
            for r in rejections
        ]
        if letters:
            await self._bury(letters)
        with metrics.stage(self._system, "remember"):
            await self._remember(sequenced.passed, rejections)
        self._count(len(records), sequenced, rejections)

    def _decode(
        self, records: Sequence[RecordLike]
    ) -> tuple[list[Change], dict[tuple[str, int, int], RecordLike], list[DeadLetter]]:
        changes: list[Change] = []
        origin: dict[tuple[str, int, int], RecordLike] = {}
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
            origin[record.topic, record.partition, record.offset] = record
        return changes, origin, letters

    async def _apply(self, changes: Sequence[Change]) -> list[Rejection]:
        """Process changes; one that fails for good is searched by halves, so that its neighbours commit."""
        if not changes:
            return []
        try:
            return list(await self._handler.process(changes))
        except Exception as error:
            if len(changes) == 1:
                change = changes[0]
                logger.exception("%s: change of %s at %s fails for good", self._system, change.key, _origin(change))
                detail = f"{type(error).__name__}: {error}"[:500]
                return [Rejection(change, "processing_failed", detail, traceback.format_exc(limit=20))]
        middle = len(changes) // 2
        return await self._apply(changes[:middle]) + await self._apply(changes[middle:])

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        await until_done(
            lambda: self._dead_letters.send(letters),
            what="dead letters",
            on_retry=lambda failure: metrics.RETRIES.labels("kafka", failure).inc(),
        )
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

    async def _remember(self, passed: Sequence[Change], rejections: Sequence[Rejection]) -> None:
        rejected = {id(r.change) for r in rejections}
        versions: dict[int, dict[str, int]] = defaultdict(dict)
        for change in passed:
            version = sequence_number(change)
            if version is not None and id(change) not in rejected:
                versions[change.partition][change.key] = version
        for partition, remembered in versions.items():
            await self._versions.remember(partition, remembered)

    def _count(self, records: int, sequenced: Sequenced, rejections: Sequence[Rejection]) -> None:
        metrics.BATCH_SIZE.labels(self._system).observe(records)
        metrics.GAPS.labels(self._system).inc(sequenced.gaps)
        rejected = {id(r.change) for r in rejections}
        for change in sequenced.duplicates:
            metrics.RECORDS.labels(self._system, change.topic, "duplicate").inc()
        for change in sequenced.passed:
            if id(change) not in rejected:
                metrics.RECORDS.labels(self._system, change.topic, "applied").inc()
        metrics.LAST_PROGRESS.labels(self._system).set(time.time())


def _origin(change: Change) -> str:
    return f"{change.topic}/{change.partition}@{change.offset}"
