"""Somebody who looks at the dead letters: mends what was wrong, and sends them again, or leaves them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams_app.delivery.letters import REDRIVE

if TYPE_CHECKING:
    from tests.simulation.sequence.world import World


class Operator:
    """Redrives the letters of a key at a time, in order."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._simulation = world.simulation
        #: Keys whose letters are left where they are.
        self.dropped: set[str] = set()

    async def run(self, seconds: float) -> None:
        """Look now and then, while changes go on to come."""
        if not self._world.chances.redrives:
            return
        end = self._simulation.loop.time() + seconds
        while self._simulation.loop.time() < end:
            await asyncio.sleep(4 * self._simulation.rng.random())
            waiting = sorted(self._world.checks.buried_by_key())
            if waiting:
                key = self._simulation.rng.choice(waiting)
                if self._simulation.rng.random() < 0.5:
                    self._mend(key)
                self._redrive(key)

    def decide(self) -> set[str]:
        """At the end: which keys are brought to life again; the others' letters stay."""
        dead = {key for key in self._world.checks.buried_by_key() if self._world.checks.is_short(key)}
        self.dropped = {key for key in sorted(dead) if self._simulation.rng.random() < 0.3}
        self._simulation.note("dropped", count=len(self.dropped))
        return dead - self.dropped

    def revive(self, keys: set[str]) -> None:
        """Mend what was wrong with keys, and send their letters again."""
        for key in sorted(keys):
            self._mend(key)
            self._redrive(key)

    def _mend(self, key: str) -> None:
        for fate in self._world.source_of(key).fates[key]:
            fate.poison = False

    def _redrive(self, key: str) -> None:
        """Letters of changes that were applied since are left."""
        head = self._world.ledger_of(key).heads.get(key, 0)
        for number in sorted(self._world.checks.buried_by_key().get(key, ())):
            if number > head:
                self._simulation.note("redriven", (key, number))
                self._world.source_of(key).put((key, number), ((REDRIVE, b"a letter"),))
