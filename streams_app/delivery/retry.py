"""Trying again: what is transient until it works, with growing pauses; the rest at once to the caller."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from streams_app.advice import explain
from streams_app.backoff import Backoff
from streams_app.errors import FailureClass, RetriesExhaustedError, classify, is_outage

logger = logging.getLogger(__name__)
T = TypeVar("T")
BACKOFF = Backoff()


async def until_done(
    operation: Callable[[], Awaitable[T]],
    *,
    what: str,
    on_retry: Callable[[FailureClass], None],
    give_up_on: type[Exception] | tuple[type[Exception], ...] = (),
    budget: float | None = None,
    backoff: Backoff = BACKOFF,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """The result of `operation`, tried until it succeeds or fails for good.

    The operation must be safe to repeat: an ambiguous commit is resolved by doing it again, because it reads the
    state back before it decides. Raises what is permanent, what `give_up_on` names, and RetriesExhaustedError when it
    has failed for `budget` seconds, outages not counted. Stopping is the caller's: cancel the task.
    """
    attempt, spent = 0, 0.0
    while True:
        began = time.monotonic()
        try:
            return await operation()
        except Exception as error:
            failure = classify(error)
            if failure is FailureClass.PERMANENT or isinstance(error, give_up_on):
                raise
            attempt += 1
            on_retry(failure)
            pause = backoff.pause(attempt, random.random())  # noqa: S311 (spread, not secrecy)
            if not is_outage(error):
                spent += time.monotonic() - began + pause
                if budget is not None and spent > budget:
                    raise RetriesExhaustedError(f"{what}: {attempt} attempts failed, the last by {error}") from error
            # The 1st, 2nd, 4th, 8th … attempt: an outage must not fill the disk with its log.
            if attempt & (attempt - 1) == 0:
                logger.warning("%s: attempt %d failed (%s): %s", what, attempt, failure, explain(error))
            await sleep(pause)
