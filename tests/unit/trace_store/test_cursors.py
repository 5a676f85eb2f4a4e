"""Cursors come back as they went out, or not at all."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from streams_app.systems.trace_store.cursors import Listing, Place, decode, encode

PLACE = Place(datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC), UUID(int=5), "us-east")
CURSOR = encode(Listing.SEARCH, PLACE)


def packed(*parts: object) -> str:
    return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize("listing", Listing)
def test_a_cursor_comes_back(listing: Listing) -> None:
    assert decode(listing, encode(listing, PLACE)) == PLACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "%%%",
        CURSOR[:-1],
        CURSOR + "A",
        CURSOR + "==",
        "A" * 10_000,
        packed(),
        packed("search"),
        packed("search", "yesterday", str(UUID(int=5)), "us-east"),
        packed("search", "2026-03-01T12:00:00+00:00", "5", "us-east"),
        packed("search", 5, str(UUID(int=5)), "us-east"),
        packed("search", "2026-03-01T12:00:00", str(UUID(int=5)), "us-east"),
        packed("search", "2026-03-01T12:00:00+00:00", str(UUID(int=5)), 7),
        encode(Listing.TRACE, PLACE),
    ],
)
def test_other_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no cursor of this call: take `next`"):
        decode(Listing.SEARCH, text)
