"""The real parts that a world is built of; a test replaces one to see whether the simulation notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ordering import SequenceOrder
from streams_app.delivery.sequencer import Sequencer
from streams_app.kafka.lanes import Lane
from streams_app.kafka.parking import TopicParkingLot
from tests.simulation.sequence.ledger import Ledger, LedgerHandler
from tests.simulation.sequence.source import Chances


@dataclass(frozen=True, slots=True)
class Parts:
    """Constructors with the signatures of the real ones."""

    chances: Callable[..., Chances] = Chances
    ledger: Callable[..., Ledger] = Ledger
    handler: Callable[..., LedgerHandler] = LedgerHandler
    processor: Callable[..., BatchProcessor] = BatchProcessor
    order: Callable[..., SequenceOrder] = SequenceOrder
    sequencer: Callable[..., Sequencer] = Sequencer
    parking: Callable[..., TopicParkingLot] = TopicParkingLot
    lane: Callable[..., Any] = Lane
