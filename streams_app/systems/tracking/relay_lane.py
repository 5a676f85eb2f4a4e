"""One lane of a relay: takes events of its shards, sends them, and writes down what became of them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from streams_app import metrics
from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import CORRELATION_ID, EVENT_ID, EVENT_TYPE, OCCURRED_AT, SERVICE
from streams_app.delivery.ports import DeadLetter, DeadLetterSink
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.leases import SQL, Leases
from streams_app.systems.tracking.model import ProductionStatus
from streams_app.systems.tracking.ports import EventSender, OutgoingRecord, Placed, Refused
from streams_app.systems.tracking.rules import Taken, Unpublished, after_refusal

logger = logging.getLogger(__name__)

# Seconds before events are taken again that the broker did not take for now.
AGAIN_PAUSE = 0.5
# Seconds between attempts to store dead letters.
LETTERS_PAUSE = 5.0


class Poll:
    """Looks whether there are events to take; the lanes of a relay share what it sees."""

    def __init__(self, databases: Databases, region: str, leases: Leases, interval: float) -> None:
        """`interval` is the number of seconds between two looks."""
        self._databases = databases
        self._region = region
        self._leases = leases
        self._interval = interval
        self._looking = asyncio.Lock()
        self._looked_at = -interval
        self._found = False

    async def is_anything_due(self) -> bool:
        """Whether there was anything at the last look. Raises what the database raises."""
        async with self._looking:
            # Lanes ask about every interval, each at a time of its own.
            if time.monotonic() - self._looked_at > self._interval / 2:
                async with self._databases.connection(self._region) as connection:
                    arguments = {"region": self._region, **self._leases.horizon}
                    ((self._found,),) = await (await connection.execute(SQL["anything"], arguments)).fetchall()
                self._looked_at = time.monotonic()
            return self._found


class RelayLane:
    """The events of every `lanes`-th shard, from number `lane` on. One round is in flight at a time."""

    def __init__(
        self,
        databases: Databases,
        region: str,
        leases: Leases,
        poll: Poll,
        sender: EventSender,
        letters: DeadLetterSink,
        settings: TrackingSettings,
        share: tuple[int, int],
    ) -> None:
        self._databases = databases
        self._region = region
        self._leases = leases
        self._poll = poll
        self._sender = sender
        self._letters = letters
        self._settings = settings
        self._share = share
        self._sending: asyncio.Future[None] | None = None
        self._placed: list[tuple[Taken, Placed]] = []
        self._unpublished: list[Unpublished] = []
        #: Whether events may be taken that nobody remembers: a turn failed, and nobody knows whether it was committed.
        self._doubtful = False

    async def work(self, until: float) -> None:
        """Rounds until a time (monotonic seconds), and then write down what became of the last. Raises what the
        database raises."""
        while time.monotonic() < until:
            if not await self.round():
                await asyncio.sleep(self._settings.relay_interval)
        await self.settle()

    async def settle(self) -> None:
        """Write down what became of the last events, once they are sent. Raises what the database raises."""
        if self._sending is not None:
            await self._sending
        if self._owes:
            await self._turn(limit=0)

    async def round(self) -> bool:
        """Write down what became of the last events, take what is due, send it; returns whether there was anything."""
        if not self._shards or not (self._owes or await self._poll.is_anything_due()):
            return False
        taken = await self._turn(self._settings.relay_batch)
        if taken:
            await self._publish(taken)
        return bool(taken)

    @property
    def _shards(self) -> list[int]:
        lane, lanes = self._share
        return [shard for shard in sorted(self._leases.shards) if shard % lanes == lane]

    @property
    def _owes(self) -> bool:
        return bool(self._placed or self._unpublished or self._doubtful)

    async def _turn(self, limit: int) -> list[Taken]:
        """Write down what became of the last events and take the next, in one transaction."""

        async def turn(connection: Connection) -> list[Taken]:
            return await self._settle_and_take(connection, limit)

        try:
            taken = await in_transaction(self._databases, self._region, turn, self._taken if limit else None)
        except BaseException:
            self._doubtful = True
            raise
        _observe([item for item, _ in self._placed])
        for unpublished in self._unpublished:
            _count(unpublished)
        self._placed, self._unpublished, self._doubtful = [], [], False
        return sorted(taken, key=lambda item: item.id)

    async def _settle_and_take(self, connection: Connection, limit: int) -> list[Taken]:
        # A relay whose lease has ended writes nothing about events that are another one's now.
        shards = await self._leases.held(connection, self._shards)
        await self._write_placed(connection, shards)
        await self._write_unpublished(connection, shards)
        if self._doubtful:
            await connection.execute(SQL["take_back"], self._where() | {"shards": shards})
        if not limit:
            return []
        arguments = self._where() | {"shards": shards, "limit": limit}
        rows = await (await connection.execute(SQL["take"], arguments)).fetchall()
        return [Taken(*row) for row in rows]

    async def _taken(self) -> list[Taken] | None:
        async with self._databases.connection(self._region) as connection:
            arguments = self._where() | {"shards": self._shards}
            rows = await (await connection.execute(SQL["taken"], arguments)).fetchall()
            return [Taken(*row) for row in rows] or None

    async def _write_placed(self, connection: Connection, shards: Sequence[int]) -> None:
        if self._placed:
            arguments = self._places([item for item, _ in self._placed], shards) | {
                "partitions": numbers(placed.partition for _, placed in self._placed),
                "offsets": numbers(placed.offset for _, placed in self._placed),
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

    def _where(self) -> dict[str, Any]:
        return {"region": self._region, **self._leases.horizon}

    def _places(self, items: Sequence[Taken], shards: Sequence[int]) -> dict[str, Any]:
        created = [item.created_at for item in items]
        return {
            "region": self._region,
            "shards": list(shards),
            "event_ids": texts([item.event_id for item in items]),
            "created": created,
            # They bound the days that are looked at.
            "oldest": min(created),
            "newest": max(created),
        }

    async def _publish(self, taken: Sequence[Taken]) -> None:
        # A relay that is stopped meanwhile still hears the answer, in settle.
        self._sending = asyncio.ensure_future(self._send(taken))
        await asyncio.shield(self._sending)
        if any(item.status is ProductionStatus.PENDING and item.pause is None for item in self._unpublished):
            await asyncio.sleep(AGAIN_PAUSE)

    async def _send(self, taken: Sequence[Taken]) -> None:
        answers: Sequence[Placed | Refused]
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
                await asyncio.sleep(LETTERS_PAUSE)

    def _letter(self, item: Unpublished) -> DeadLetter:
        taken = item.taken
        record = _record(taken, self._region)
        origin = Record(
            f"event_production_log.{self._region}", taken.shard, taken.id, record.key, record.value, record.headers
        )
        return DeadLetter("tracking", origin, "publish_failed", f"{taken.topic}: {item.error}")


def _observe(published: Sequence[Taken]) -> None:
    for (service, topic), count in Counter((item.service_name, item.topic) for item in published).items():
        metrics.TRACKING_PUBLISHED.labels(service, topic).inc(count)
    now = datetime.now(UTC)
    for item in published:
        seconds = (now - item.created_at).total_seconds()
        metrics.TRACKING_PUBLISH_SECONDS.labels(item.service_name).observe(max(0.0, seconds))


def _count(item: Unpublished) -> None:
    labels = "produced", item.taken.service_name, item.taken.topic
    if item.status is ProductionStatus.FAILED:
        metrics.TRACKING_FAILED.labels(*labels).inc()
    elif item.error is not None:
        metrics.TRACKING_RETRIED.labels(*labels).inc()


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
