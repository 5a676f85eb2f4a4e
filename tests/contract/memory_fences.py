"""The table delivery_fence in memory: the rule of its statements, for a transaction that takes effect at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from streams_app.databases.fences import Guarded, Place
from streams_app.errors import FencedError


@dataclass(slots=True)
class Row:
    """Who has a partition."""

    generation: int
    epoch: int = 0


class MemoryFences:
    """The fences of one region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._rows: dict[tuple[str, Place], Row] = {}

    def is_claim(self, guarded: Guarded) -> bool:
        """Whether a transaction has to claim partitions, or only holds what its worker has."""
        return any(place not in self._known(guarded) for place in guarded.places)

    def pass_fence(self, guarded: Guarded) -> dict[Place, int]:
        """As fences.pass_fence: what was claimed newly. Raises FencedError; then nothing has changed."""
        fence, known, claims = guarded.fence, self._known(guarded), self.is_claim(guarded)
        rows = {}
        for place in guarded.places:
            row = self._rows.get((fence.group, place)) or Row(fence.generation)
            is_ours = row.generation <= fence.generation if claims else row.generation == fence.generation
            if not is_ours or row.epoch != known.get(place, row.epoch):
                raise FencedError(f"{place} {fence.generation}")
            rows[place] = Row(fence.generation, row.epoch)
        self._rows |= {(fence.group, place): row for place, row in rows.items()}
        return {place: row.epoch for place, row in rows.items()} if claims else {}

    def advance(self, group: str) -> None:
        """As fences.advance."""
        for (owner, _), row in self._rows.items():
            if owner == group:
                row.generation, row.epoch = 0, row.epoch + 1

    def _known(self, guarded: Guarded) -> dict[Place, int]:
        return guarded.fence.claims.get(self._region, {})
