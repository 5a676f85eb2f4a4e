"""Generators wait for a region that is down, and end when somebody has to mend its set-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from streams_app import metrics
from streams_app.delivery.retry import until_done
from streams_app.errors import MISCONFIGURED_ERRORS

T = TypeVar("T")


async def until_region_answers(region: str, what: str, operation: Callable[[], Awaitable[T]]) -> T:
    """The result of `operation`, which must be safe to repeat; `what` names it in the log.

    Raises what is permanent, and what is wrong with the region's set-up.
    """
    return await until_done(
        operation,
        what=f"{what} in {region}",
        on_retry=lambda failure: metrics.RETRIES.labels(region, failure).inc(),
        give_up_on=MISCONFIGURED_ERRORS,
    )
