"""The relay: takes committed events of one region, in order per key, to their topics, and writes down where they are.

A crash between the two makes an event stand twice on its topic, under one id: consumers take it once. Any number of
relays may run: each has shards of its own, by leases that end when it dies.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from streams_app import metrics
from streams_app.advice import explain
from streams_app.backoff import Backoff
from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import CORRELATION_ID, EVENT_ID, EVENT_TYPE, OCCURRED_AT, SERVICE
from streams_app.delivery.ports import DeadLetter, DeadLetterSink
from streams_app.errors import RegionUnavailableError, is_outage
from streams_app.settings import TrackingSettings
from streams_app.systems.tracking.leases import SQL, Leases
from streams_app.systems.tracking.model import ProductionStatus
from streams_app.systems.tracking.ports import EventSender, OutgoingRecord, Placed, Refused
from streams_app.systems.tracking.rules import Taken, Unpublished, after_refusal

logger = logging.getLogger(__name__)

# Between attempts while the region or the broker is away, in seconds.
AWAY = Backoff(first=0.2, most=5.0)
# Seconds that giving the shards back may take when the relay stops.
LEAVE_SECONDS = 3.0


class Relay:
    """Publishes the events of one region. `letters` gets those that are given up."""

    def __init__(
        self,
        databases: Databases,
        region: str,
        sender: EventSender,
        letters: DeadLetterSink,
        settings: TrackingSettings,
    ) -> None:
        self._databases = databases
        self._region = region
        self._sender = sender
        self._letters = letters
        self._settings = settings
        self._leases = Leases(databases, region, uuid4().hex, settings.lease)
        self._balanced_at = 0.0
        self._placed: list[tuple[Taken, Placed]] = []
        self._unpublished: list[Unpublished] = []
        #: Whether events may be taken that nobody remembers: a turn failed, and nobody knows whether it was committed.
        self._doubtful = False

    async def run(self) -> None:
        """Publish for ever; cancel it to stop."""
        keeper = asyncio.create_task(self._keep())
        attempt = 0
        try:
            while True:
                try:
                    busy = await self.round()
                    attempt = 0
                except Exception as error:
                    attempt += 1
                    self._complain(error, attempt)
                    await asyncio.sleep(AWAY.pause(attempt, random.random()))  # noqa: S311
                    continue
                if not busy:
                    await asyncio.sleep(self._settings.relay_interval)
        finally:
            keeper.cancel()
            with suppress(Exception):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.leave()

    async def leave(self) -> None:
        """Give the shards back. Raises what the database raises."""
        await self._leases.leave()

    async def round(self) -> bool:
        """Take what is due, send it, and write down what became of it; returns whether there was anything.

        Raises what the database raises.
        """
        if time.monotonic() - self._balanced_at > self._settings.lease / 4 and not self._owes:
            await self._leases.balance()
            self._balanced_at = time.monotonic()
        if not self._leases.shards or not (self._owes or await self._is_anything_due()):
            return False
        taken = await self._turn()
        if taken:
            await self._publish(taken)
        return bool(taken)

    @property
    def _owes(self) -> bool:
        return bool(self._placed or self._unpublished or self._doubtful)

    async def _is_anything_due(self) -> bool:
        async with self._databases.connection(self._region) as connection:
            row = await (await connection.execute(SQL["anything"], {"region": self._region})).fetchone()
            return bool(row and row[0])

    async def _turn(self) -> list[Taken]:
        """Write down what became of the last events and take the next, in one transaction."""
        try:
            taken = await in_transaction(self._databases, self._region, self._settle_and_take, self._taken)
        except BaseException:
            self._doubtful = True
            raise
        for item, _ in self._placed:
            self._observe(item)
        for unpublished in self._unpublished:
            self._count(unpublished)
        self._placed, self._unpublished, self._doubtful = [], [], False
        return sorted(taken, key=lambda item: item.id)

    async def _settle_and_take(self, connection: Connection) -> list[Taken]:
        # A relay whose lease has ended writes nothing about events that are another one's now.
        shards = await self._leases.held(connection)
        await self._write_placed(connection, shards)
        await self._write_unpublished(connection, shards)
        if self._doubtful:
            await connection.execute(SQL["take_back"], {"region": self._region, "shards": shards})
        arguments = {"region": self._region, "shards": shards, "limit": self._settings.relay_batch}
        rows = await (await connection.execute(SQL["take"], arguments)).fetchall()
        return [Taken(*row) for row in rows]

    async def _taken(self) -> list[Taken] | None:
        async with self._databases.connection(self._region) as connection:
            arguments = {"region": self._region, "shards": sorted(self._leases.shards)}
            rows = await (await connection.execute(SQL["taken"], arguments)).fetchall()
            return [Taken(*row) for row in rows] or None

    async def _write_placed(self, connection: Connection, shards: Sequence[int]) -> None:
        if self._placed:
            arguments = self._places([item for item, _ in self._placed], shards) | {
                "partitions": [placed.partition for _, placed in self._placed],
                "offsets": [placed.offset for _, placed in self._placed],
            }
            await connection.execute(SQL["published"], arguments)

    async def _write_unpublished(self, connection: Connection, shards: Sequence[int]) -> None:
        if self._unpublished:
            arguments = self._places([item.taken for item in self._unpublished], shards) | {
                "statuses": [item.status.value for item in self._unpublished],
                "tries": [item.retry_count for item in self._unpublished],
                "errors": [item.error for item in self._unpublished],
                "pauses": [item.pause for item in self._unpublished],
            }
            await connection.execute(SQL["unpublished"], arguments)

    def _places(self, items: Sequence[Taken], shards: Sequence[int]) -> dict[str, Any]:
        created = [item.created_at for item in items]
        return {
            "region": self._region,
            "shards": list(shards),
            "event_ids": [item.event_id for item in items],
            "created": created,
            # They bound the days that are looked at.
            "oldest": min(created),
            "newest": max(created),
        }

    async def _publish(self, taken: Sequence[Taken]) -> None:
        try:
            answers = await self._sender.send([_record(item, self._region) for item in taken])
        except Exception as error:
            logger.warning("%s: events wait, the broker does not take them: %s", self._region, error)
            answers = [Refused(str(error), permanent=False)] * len(taken)
        for item, answer in zip(taken, answers, strict=True):
            if isinstance(answer, Placed):
                self._placed.append((item, answer))
            else:
                fraction = random.random()  # noqa: S311 (spread, not secrecy)
                self._unpublished.append(after_refusal(item, answer.reason, counts=answer.permanent, fraction=fraction))
        await self._bury([item for item in self._unpublished if item.status is ProductionStatus.FAILED])

    async def _bury(self, failed: Sequence[Unpublished]) -> None:
        """Before the row says FAILED: a crash in between stores the same letter again, under the same id."""
        while failed:
            try:
                await self._letters.send([self._letter(item) for item in failed])
                return
            except ConnectionError as error:
                logger.warning("%s: dead letters wait: %s", self._region, error)
                await asyncio.sleep(AWAY.most)

    def _letter(self, item: Unpublished) -> DeadLetter:
        taken = item.taken
        record = _record(taken, self._region)
        origin = Record(
            f"event_production_log.{self._region}", taken.shard, taken.id, record.key, record.value, record.headers
        )
        return DeadLetter("tracking", origin, "publish_failed", f"{taken.topic}: {item.error}")

    async def _keep(self) -> None:
        """Renew the leases, also while a round waits for the broker."""
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            try:
                await self._leases.renew()
            except Exception as error:
                logger.warning("%s: leases are not renewed: %s", self._region, explain(error))

    def _observe(self, item: Taken) -> None:
        service, seconds = item.service_name, (datetime.now(UTC) - item.created_at).total_seconds()
        metrics.TRACKING_PUBLISHED.labels(service, item.topic).inc()
        metrics.TRACKING_PUBLISH_SECONDS.labels(service).observe(max(0.0, seconds))

    def _count(self, item: Unpublished) -> None:
        labels = item.taken.service_name, item.taken.topic
        if item.status is ProductionStatus.FAILED:
            metrics.TRACKING_FAILED.labels("produced", *labels).inc()
        elif item.error is not None:
            metrics.TRACKING_RETRIED.labels("produced", *labels).inc()

    def _complain(self, error: Exception, attempt: int) -> None:
        if isinstance(error, RegionUnavailableError):
            return
        # The 1st, 2nd, 4th, 8th … attempt: an outage must not fill the disk with its log.
        if attempt & (attempt - 1) == 0:
            log = logger.warning if is_outage(error) else partial(logger.error, exc_info=error)
            log("relay of %s: attempt %d failed: %s", self._region, attempt, explain(error))


def _record(item: Taken, region: str) -> OutgoingRecord:
    headers: list[tuple[str, bytes | None]] = [
        (EVENT_ID, item.event_id.encode()),
        (EVENT_TYPE, item.event_type.encode()),
        (SERVICE, item.service_name.encode()),
        (OCCURRED_AT, str(int(item.created_at.timestamp() * 1000)).encode()),
        ("region", region.encode()),
    ]
    if item.correlation_id is not None:
        headers.append((CORRELATION_ID, item.correlation_id.encode()))
    key = None if item.event_key is None else item.event_key.encode()
    return OutgoingRecord(item.topic, key, item.payload.encode(), tuple(headers))
