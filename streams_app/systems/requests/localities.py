"""Where an account number is claimed."""

from __future__ import annotations

import zlib

from streams_app.databases.regions import LOCALITIES


def locality_of_number(account_number: str) -> int:
    """The hash bucket 0–29 that an account number is claimed in: crc32 of its UTF-8 bytes, modulo 30."""
    return zlib.crc32(account_number.encode()) % LOCALITIES
