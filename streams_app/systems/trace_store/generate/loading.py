"""Generated events on their way: to their topics, or straight into the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.system_settings import TraceSettings
from streams_app.systems.trace_store.agents import TraceHandler
from streams_app.systems.trace_store.decoding import TraceChange
from streams_app.systems.trace_store.generate.generator import Blueprint, TraceRecord, records
from streams_app.systems.trace_store.store import TraceWriter

# Records on their way at a time: a few thousand for each region.
_AT_ONCE: Final = 6000


class RecordSink(Protocol):
    """Where records go."""

    async def send(self, records: Sequence[TraceRecord]) -> int:
        """Store records, those of a key in order; returns how many are new."""
        ...


@dataclass(slots=True)
class Loaded:
    """How many events were dealt with, and how many of them are new, in how many seconds."""

    events: int = 0
    new: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Events a second, new or not."""
        return self.events / self.seconds if self.seconds else 0.0


async def load(
    blueprint: Blueprint, sink: RecordSink, stop: asyncio.Event, on_progress: Callable[[int, int], None]
) -> Loaded:
    """Send all events of a blueprint, or those that were sent when `stop` is set.

    `on_progress` hears how many were sent just now, and how many there are in all. Raises what the sink raises.
    """
    loaded, began = Loaded(), time.perf_counter()
    source = records(blueprint)
    batch = await asyncio.to_thread(_some, source)
    while batch and not stop.is_set():
        # The next records are made while these are on their way.
        new, following = await asyncio.gather(sink.send(batch), asyncio.to_thread(_some, source))
        loaded.events += len(batch)
        loaded.new += new
        loaded.seconds = time.perf_counter() - began
        on_progress(len(batch), blueprint.events)
        batch = following
    return loaded


def _some(source: Iterator[TraceRecord]) -> list[TraceRecord]:
    return list(islice(source, _AT_ONCE))


class TableSink:
    """Writes events to the store as a worker does that has consumed them, without topics."""

    def __init__(self, databases: Databases, settings: TraceSettings) -> None:
        self._handler = TraceHandler(TraceWriter(databases), databases, settings)

    async def send(self, records: Sequence[TraceRecord]) -> int:
        """Write records; returns how many are new. Raises Rejected, and what `TraceHandler.process` raises."""
        by_region: dict[str, list[TraceChange]] = {}
        for number, record in enumerate(records):
            change = self._handler.decode(Record(record.topic, 0, number, record.key, record.value, record.headers))
            by_region.setdefault(self._handler.route(change), []).append(change)
        return sum(await asyncio.gather(*(self._write(region, changes) for region, changes in by_region.items())))

    async def _write(self, region: str, changes: list[TraceChange]) -> int:
        outcome = await self._handler.process(region, changes)
        return len(changes) - len(outcome.stale) - len(outcome.rejected)
