"""Localities of the requests system, besides that of an account: those of a region, and that of an account number."""

from __future__ import annotations

import zlib

from streams_app.databases import Regions
from streams_app.databases.regions import LOCALITIES


def localities_in(regions: Regions, region: str) -> list[int]:
    """All localities of `region`: what a statement about the whole region names, so that no other one is asked.

    Raises LookupError when there is no such region.
    """
    for one in regions:
        if one.name == region:
            return list(range(one.first, one.last + 1))
    raise LookupError(region)


def locality_of_number(account_number: str) -> int:
    """The hash bucket 0–29 that an account number is claimed in: crc32 of its UTF-8 bytes, modulo 30."""
    return zlib.crc32(account_number.encode()) % LOCALITIES
