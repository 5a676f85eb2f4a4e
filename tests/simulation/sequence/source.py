"""What is true: the numbered changes of each key, what of them the source's log has, what the feed does to them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

import orjson

from streams_app.changefeed import FeedSpec, Record
from streams_app.topics import TopicSpec
from tests.simulation.base import Simulation
from tests.simulation.kafka import Broker
from tests.simulation.loop import Process

ENTRIES = TopicSpec("ledger.entries", "account")
SPEC = FeedSpec(key_column="account", version_column="entry")
# Of changes: sent late by up to a second, so that later ones overtake them; sent twice.
REORDERED, REPEATED = 0.05, 0.1

#: A key and the number of one of its changes.
Entry: TypeAlias = tuple[str, int]


class Chances:
    """What goes wrong in the source and its feed, beside the faults of any world."""

    def __init__(self, simulation: Simulation) -> None:
        rng = simulation.rng

        def some(chance: float) -> float:
            return chance * rng.random() if rng.random() < 0.4 else 0.0

        #: Of a change: the feed withholds it for long, or for ever; the log has not got it; its rule fails for good.
        self.late, self.never, self.unlogged, self.poison = some(0.1), some(0.1), some(0.5), some(0.1)
        #: Of an undecodable record beside a change.
        self.bad = some(0.05)
        #: So little may wait that keys are given up for want of room.
        self.tight = rng.random() < 0.15
        self.redrives = rng.random() < 0.7


@dataclass(slots=True)
class Fate:
    """What happens to one change on its way."""

    payload: int
    late: bool = False
    never: bool = False
    logged: bool = True
    poison: bool = False

    @property
    def may_be_missed(self) -> bool:
        """Whether those behind it may have to be given up."""
        return (self.late or self.never) and not self.logged


def envelope(entry: Entry, payload: int) -> tuple[bytes, bytes]:
    """Key and value of a change, as CockroachDB wraps it."""
    row = {"account": entry[0], "entry": entry[1], "payload": payload}
    return orjson.dumps([entry[0]]), orjson.dumps({"after": row, "updated": f"{1_772_323_200 + payload}.0000000001"})


class Source:
    """The source of one region and its changefeed: at least once, mostly in order, nothing promised."""

    def __init__(self, simulation: Simulation, chances: Chances, broker: Broker, region: str) -> None:
        self.process = Process(f"source-{region}")
        self._simulation = simulation
        self._chances = chances
        self._broker = broker
        self._region = region
        self.fates: dict[str, list[Fate]] = defaultdict(list)
        #: Changes that failed for good, until somebody mended them.
        self.poisoned: set[Entry] = set()
        #: What has been sent at least once, in order.
        self.sent: list[Entry] = []
        self._on_their_way = 0
        self._writing = True
        self._front = 0.0

    @property
    def idle(self) -> bool:
        """Whether everything that will be sent has been sent."""
        return not self._writing and not self._on_their_way

    async def run(self, seconds: float) -> None:
        """Write changes of a few keys for a while."""
        simulation, rng = self._simulation, self._simulation.rng
        keys = [f"{self._region}/{number}" for number in range(rng.randint(1, 4))]
        count = rng.randint(3, 25)
        for _ in range(count):
            await asyncio.sleep(2 * seconds / count * rng.random())
            for _ in range(rng.choice((1, 1, 1, 4))):
                self._write(rng.choice(keys))
        self._writing = False
        simulation.note("written", self._region, sum(map(len, self.fates.values())))

    def _write(self, key: str) -> None:
        happens, rng, chances = self._happens, self._simulation.rng, self._chances
        fate = Fate(rng.randrange(1_000_000), happens(chances.late), happens(chances.never))
        fate.logged, fate.poison = not happens(chances.unlogged), happens(chances.poison)
        self.fates[key].append(fate)
        entry = key, len(self.fates[key])
        if fate.poison:
            self.poisoned.add(entry)
        self._front = max(self._front, self._simulation.loop.time() + 0.05 * rng.random())
        if fate.never:
            self._simulation.note("withheld_for_ever", entry)
        elif fate.late:
            self._simulation.note("withheld_for_long", entry)
            self._send_at(self._simulation.loop.time() + 40 * rng.random(), entry)
        elif happens(REORDERED):
            self._simulation.note("reordered", entry)
            self._send_at(self._front + rng.random(), entry)
        else:
            self._send_at(self._front, entry)
        if happens(REPEATED) and not (fate.never or fate.late):
            self._simulation.note("repeated", entry)
            self._send_at(self._front + 5 * rng.random(), entry)

    def _happens(self, chance: float) -> bool:
        return self._simulation.rng.random() < chance

    def _send_at(self, time: float, entry: Entry) -> None:
        self._on_their_way += 1
        self._simulation.loop.call_at(time, self._arrive, entry, context=self.process.context)

    def _arrive(self, entry: Entry) -> None:
        self._on_their_way -= 1
        self.sent.append(entry)
        self.put(entry)
        if self._happens(self._chances.bad):
            self._broker.append(ENTRIES.name, self._partition(entry), b'["x"]', b"{half a messa", None)
            self._simulation.note("bad_records")

    def send_history(self) -> None:
        """Send all that was ever sent again."""
        self._simulation.note("histories", self._region)
        for entry in dict.fromkeys(self.sent):
            self.put(entry)

    def put(self, entry: Entry, headers: tuple[tuple[str, bytes | None], ...] = ()) -> None:
        """Append a change to the topic."""
        key, value = envelope(entry, self.fates[entry[0]][entry[1] - 1].payload)
        record = self._broker.append(ENTRIES.name, self._partition(entry), key, value, entry, headers)
        self._simulation.note("sent", f"{record.partition}@{record.offset}: {entry}")

    def _partition(self, entry: Entry) -> int:
        return crc32(entry[0].encode()) % self._broker.partitions

    def logged(self, key: str, after: int, before: int) -> list[Record]:
        """The changes between two, as far as the log has them."""
        fates, records = self.fates[key], []
        for number in range(after + 1, before):
            if number <= len(fates) and fates[number - 1].logged:
                raw_key, value = envelope((key, number), fates[number - 1].payload)
                records.append(Record(ENTRIES.name, self._partition((key, number)), -number, raw_key, value))
        return records
