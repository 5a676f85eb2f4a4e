"""The system under test: it writes each change into a guarded log, and knows what the source's log has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from streams_app.changefeed import Change, RecordLike, Resolved, decode
from streams_app.delivery.ports import Gap, Outcome
from streams_app.delivery.retry import until_done
from streams_app.delivery.sequencer import sequence_number
from streams_app.errors import RegionUnavailableError
from tests.simulation.base import Simulation
from tests.simulation.regions import Pools, Region
from tests.simulation.sequence.source import SPEC, Entry, Source

Row = tuple[str, int, int]


class Ledger(Region):
    """One region's tables: the log of applied changes, and the head of each key."""

    def __init__(self, simulation: Simulation, region: str) -> None:
        super().__init__(simulation, region)
        self.rows: list[Row] = []
        self.keys: set[Entry] = set()
        self.heads: dict[str, int] = {}
        #: Told of every row that is written.
        self.on_row: Callable[[Row], None] = lambda row: None

    def write(self, rows: Sequence[Row]) -> tuple[set[Entry], set[Entry]]:
        """One transaction: which rows were there before, and which were refused by the guard on the head."""
        stale, refused = set(), set()
        for key, number, payload in rows:
            if self._is_there((key, number)):
                stale.add((key, number))
            elif not self._is_next((key, number)):
                refused.add((key, number))
                self.simulation.note("refused", (key, number))
            else:
                self.rows.append((key, number, payload))
                self.keys.add((key, number))
                self.heads[key] = max(number, self.heads.get(key, 0))
                self.simulation.note("applied", (key, number))
                self.on_row((key, number, payload))
        return stale, refused

    def _is_there(self, entry: Entry) -> bool:
        return entry in self.keys

    def _is_next(self, entry: Entry) -> bool:
        return entry[1] == self.heads.get(entry[0], 0) + 1


class PoisonError(ValueError):
    """A rule that fails for good."""


class LedgerHandler:
    """What a system gives the delivery core."""

    system = "ledger"

    def __init__(self, simulation: Simulation, ledgers: Mapping[str, Ledger], sources: Mapping[str, Source]) -> None:
        self.history = self
        self.pools = Pools(simulation, ledgers)
        self._ledgers = ledgers
        self._sources = sources

    def decode(self, record: RecordLike) -> Change | None:
        change = decode(record, SPEC)
        return None if isinstance(change, Resolved) else change

    def route(self, change: Change) -> str:
        return change.key.partition("/")[0]

    def ended(self, change: Change) -> bool:
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        if any(self._fate(route, change).poison for change in changes):
            raise PoisonError(route)
        rows = [(*_entry(change), (change.after or {})["payload"]) for change in changes]
        stale, refused = await self._retried(
            route, lambda: self.pools.transaction(route, lambda: self._ledgers[route].write(rows))
        )
        return Outcome(
            refused=[change for change in changes if _entry(change) in refused],
            stale=[change for change in changes if _entry(change) in stale],
        )

    def _fate(self, route: str, change: Change) -> Any:
        key, number = _entry(change)
        return self._sources[route].fates[key][number - 1]

    async def heads(self, route: str, keys: Collection[str]) -> Mapping[str, int]:
        heads = self._ledgers[route].heads
        found: dict[str, int] = await self._retried(
            route, lambda: self.pools.ask(route, lambda: {key: heads[key] for key in sorted(keys) if key in heads})
        )
        return found

    async def between(self, route: str, gaps: Sequence[Gap]) -> Sequence[RecordLike]:
        source = self._sources[route]
        found: list[RecordLike] = await self._retried(
            route,
            lambda: self.pools.ask(
                route, lambda: [r for gap in gaps for r in source.logged(gap.key, gap.after, gap.before)]
            ),
        )
        return found

    async def _retried(self, route: str, operation: Callable[[], Any]) -> Any:
        return await until_done(operation, what=route, on_retry=lambda failure: None, give_up_on=RegionUnavailableError)


def _entry(change: Change) -> Entry:
    number = sequence_number(change)
    assert number is not None
    return change.key, number
