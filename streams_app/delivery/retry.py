"""Trying again: what is transient until it works, with growing pauses; the rest at once to the caller."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from streams_app.errors import FailureClass, classify

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts, in seconds: doubling from `first` to `most`, each shortened at random by up to half."""

    first: float = 0.05
    most: float = 5.0

    def pause(self, attempt: int, fraction: float) -> float:
        """The pause after attempt number `attempt` (from 1); `fraction` is a random number from 0 to 1."""
        return min(self.most, self.first * 2.0 ** min(attempt - 1, 30)) * (1 - fraction / 2)


async def until_done(
    operation: Callable[[], Awaitable[T]],
    *,
    what: str,
    on_retry: Callable[[FailureClass], None],
    give_up_on: type[Exception] | tuple[type[Exception], ...] = (),
    backoff: Backoff = Backoff(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """The result of `operation`, tried until it succeeds or fails for good.

    The operation must be safe to repeat: an ambiguous commit is resolved by doing it again, because it reads the
    state back before it decides. Raises what is permanent, and what `give_up_on` names. Stopping is the caller's:
    cancel the task.
    """
    attempt = 0
    while True:
        try:
            return await operation()
        except Exception as error:
            failure = classify(error)
            if failure is FailureClass.PERMANENT or isinstance(error, give_up_on):
                raise
            attempt += 1
            on_retry(failure)
            # The 1st, 2nd, 4th, 8th … attempt: an outage must not fill the disk with its log.
            if attempt & (attempt - 1) == 0:
                logger.warning("%s: attempt %d failed (%s): %s", what, attempt, failure, error)
            await sleep(backoff.pause(attempt, random.random()))  # noqa: S311 (spread, not secrecy)
