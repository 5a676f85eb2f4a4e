"""Applying changes of one route: what fails for good is searched by halves, so that its neighbours commit."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence

from streams_app.changefeed import Change
from streams_app.delivery.ports import Handler, Outcome, Rejection
from streams_app.errors import FencedError, RegionUnavailableError

logger = logging.getLogger(__name__)


async def apply_all(handler: Handler, route: str, changes: Sequence[Change]) -> Outcome:
    """Process changes; one that fails for good is rejected. Raises RegionUnavailableError and FencedError."""
    if not changes:
        return Outcome()
    try:
        return await handler.process(route, changes)
    except (RegionUnavailableError, FencedError):
        raise
    except Exception as error:
        if len(changes) == 1:
            change = changes[0]
            place = change.topic, change.partition, change.offset
            logger.exception("%s: change of %s at %s fails for good", handler.system, change.key, place)
            detail = f"{type(error).__name__}: {error}"[:500]
            return Outcome([Rejection(change, "processing_failed", detail, traceback.format_exc(limit=20))])
    middle = len(changes) // 2
    first = await apply_all(handler, route, changes[:middle])
    second = await apply_all(handler, route, changes[middle:])
    return Outcome(
        [*first.rejected, *second.rejected], [*first.refused, *second.refused], [*first.stale, *second.stale]
    )
