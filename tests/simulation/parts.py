"""The real parts that a world is built of; a test replaces one to see whether the simulation notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams_app.delivery.batches import BatchProcessor
from streams_app.kafka.lanes import Lane
from streams_app.kafka.parking import TopicParkingLot
from streams_app.systems.requests.agents import RequestsHandler
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.sweeper import Sweeper
from tests.contract.memory_store import MemoryStore


@dataclass(frozen=True, slots=True)
class Parts:
    """Constructors with the signatures of the real ones."""

    tables: Callable[..., MemoryStore] = MemoryStore
    orchestrator: Callable[..., Orchestrator] = Orchestrator
    sweeper: Callable[..., Sweeper] = Sweeper
    handler: Callable[..., RequestsHandler] = RequestsHandler
    processor: Callable[..., BatchProcessor] = BatchProcessor
    parking: Callable[..., TopicParkingLot] = TopicParkingLot
    lane: Callable[..., Any] = Lane
