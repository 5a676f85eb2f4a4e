"""The relay: takes committed events of one region, in order per key, to their topics, and writes down where they are.

A crash between the two makes an event stand twice on its topic, under one id: consumers take it once. Any number of
relays may run: each has shards of its own, by leases that end when it dies.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from streams_app.advice import explain
from streams_app.backoff import Backoff
from streams_app.databases import Databases
from streams_app.delivery.ports import DeadLetterSink
from streams_app.errors import RegionUnavailableError, is_outage
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.leases import Leases
from streams_app.systems.tracking.ports import EventSender
from streams_app.systems.tracking.relay_lane import Poll, RelayLane

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Rounds in flight at a time: while one waits for the broker, another waits for the database.
LANES = 2
# Between attempts while the region is away, in seconds.
AWAY = Backoff(first=0.2, most=5.0)
# Seconds that writing down what was sent and giving the shards back may take when the relay stops: as long as a batch
# may take when partitions go.
LEAVE_SECONDS = 8.0


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
        self._region = region
        self._lease = settings.lease
        self._leases = Leases(databases, region, uuid4().hex, settings.lease)
        poll = Poll(databases, region, self._leases, settings.relay_interval)
        self._lanes = [
            RelayLane(databases, region, self._leases, poll, sender, letters, settings, (lane, LANES))
            for lane in range(LANES)
        ]
        self._balanced_at = -settings.lease

    async def run(self) -> None:
        """Publish for ever; cancel it to stop."""
        keeper = asyncio.create_task(self._keep())
        attempt = 0
        try:
            while True:
                try:
                    # Between two stretches of work nothing is in flight: shards can change hands.
                    await self._balance()
                    until = time.monotonic() + self._lease / 4
                    await _all(*(lane.work(until) for lane in self._lanes))
                    attempt = 0
                except Exception as error:
                    attempt += 1
                    self._complain(error, attempt)
                    await asyncio.sleep(AWAY.pause(attempt, random.random()))  # noqa: S311
        finally:
            keeper.cancel()
            with suppress(Exception):
                async with asyncio.timeout(LEAVE_SECONDS):
                    # What is on its topic is written down first: it need not be sent again.
                    await _all(*(lane.settle() for lane in self._lanes))
                    await self.leave()

    async def round(self) -> bool:
        """One round of every lane; returns whether there was anything. Raises what the database raises."""
        if time.monotonic() - self._balanced_at > self._lease / 4:
            await self._balance()
        return any(await _all(*(lane.round() for lane in self._lanes)))

    async def leave(self) -> None:
        """Give the shards back. Raises what the database raises."""
        await self._leases.leave()

    async def _balance(self) -> None:
        await self._leases.balance()
        self._balanced_at = time.monotonic()

    async def _keep(self) -> None:
        """Renew the leases, also while a round waits for the broker."""
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._leases.renew()
            except Exception as error:
                logger.warning("%s: leases are not renewed: %s", self._region, explain(error))

    def _complain(self, error: Exception, attempt: int) -> None:
        if isinstance(error, RegionUnavailableError):
            return
        # The 1st, 2nd, 4th, 8th … attempt: an outage must not fill the disk with its log.
        if attempt & (attempt - 1) == 0:
            log = logger.warning if is_outage(error) else partial(logger.error, exc_info=error)
            log("relay of %s: attempt %d failed: %s", self._region, attempt, explain(error))


async def _all(*rounds: Coroutine[Any, Any, T]) -> list[T]:
    """The results, once all have ended. Raises the first failure then."""
    results = await asyncio.gather(*rounds, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
