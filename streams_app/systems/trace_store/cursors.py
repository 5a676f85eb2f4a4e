"""Where a page of answers ended, as text that goes out and comes back. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import orjson

# Longer than any that is made here.
_LONGEST: Final = 300


class Listing(StrEnum):
    """Which call a cursor belongs to."""

    TRACE = "trace"
    SEARCH = "search"
    SESSIONS = "sessions"


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page: its time, its id and, where regions are read together, its region."""

    time: datetime
    id: UUID
    region: str = ""


def encode(listing: Listing, place: Place) -> str:
    """The cursor of the page after `place`."""
    return urlsafe_b64encode(orjson.dumps([listing, place.time, place.id, place.region])).decode().rstrip("=")


def decode(listing: Listing, cursor: str) -> Place:
    """Where the page before ended. Raises ValueError for text that `encode` did not make for the same kind of call."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        made_for, time, row_id, region = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = Place(datetime.fromisoformat(time), UUID(row_id), str(region))
        # What is made again is the same: nothing was added, left out, or written in another way.
        if made_for != listing or place.time.tzinfo is None or encode(listing, place) != cursor:
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise ValueError(
            f"after={cursor[:80]!r} is no cursor of this call: take `next` of the page before, as it is"
        ) from None
    return place
