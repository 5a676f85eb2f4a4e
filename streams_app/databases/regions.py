"""Regions and localities: where the rows of an account live."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

LOCALITIES = 30
# First and last locality of what is home to none.
NOWHERE = (0, -1)


def locality_of(account_id: UUID) -> int:
    """The hash bucket 0–29 of an account: crc32 of its sixteen bytes, modulo 30 (seed 000)."""
    return zlib.crc32(account_id.bytes) % LOCALITIES


@dataclass(frozen=True, slots=True)
class Region:
    """A region and the localities, first to last, whose rows it holds."""

    name: str
    first: int
    last: int


class Regions:
    """All regions; every locality belongs to one of them."""

    def __init__(self, localities: Mapping[str, tuple[int, int]]) -> None:
        self._regions = tuple(Region(name, *bounds) for name, bounds in localities.items())
        self._localities = {region.name: list(range(region.first, region.last + 1)) for region in self._regions}
        self._by_locality = {n: region for region, held in self._localities.items() for n in held}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all regions."""
        return tuple(region.name for region in self._regions)

    def of(self, locality: int) -> str:
        """The region of a locality. Raises LookupError when no region holds it."""
        return self._by_locality[locality]

    def localities(self, region: str) -> list[int]:
        """All localities of a region: what a statement about the whole region names, so that no other one is asked.

        Raises LookupError when there is no such region.
        """
        return self._localities[region]

    def of_account(self, account_id: UUID) -> str:
        """The region of an account."""
        return self._by_locality[locality_of(account_id)]

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions)
