"""The events between the steps: what each outbox has said against what the inbox of its reader has taken. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from streams_app.allocation_settings import DomainName
from streams_app.systems.allocations import messages
from streams_app.systems.allocations.verify_across import Found
from streams_app.systems.allocations.verify_checks import ARE_CONSUMED, ARE_PRODUCED, CONSUMED_ONCE
from streams_app.verification import Violation

#: The domain in which the events of a topic have their effect.
READERS: Final[dict[str, DomainName]] = {
    messages.SLICES: "holdings",
    messages.ROUTED: "orders",
    messages.BLOCK_ORDERS: "orders",
    messages.MARKET_ORDERS: "trades",
    messages.OPENINGS: "allocations",
    messages.PARTS: "allocations",
    messages.BOOKINGS: "holdings",
    messages.CLOSED: "orders",
    messages.CLOSINGS: "holdings",
}


@dataclass(frozen=True, slots=True)
class Produced:
    """An event of an outbox. `is_ripe`: it should have had its effect by now."""

    topic: str
    event_id: str
    is_ripe: bool


def check_events(produced: Iterable[Produced], consumed: Mapping[DomainName, Mapping[str, int]]) -> Iterator[Found]:
    """Events of all outboxes against the inboxes: by domain how often each event has had its effect."""
    strange = {domain: set(found) for domain, found in consumed.items()}
    for event in produced:
        domain = READERS[event.topic]
        if event.event_id in consumed[domain]:
            strange[domain].discard(event.event_id)
        elif event.is_ripe:
            yield ARE_CONSUMED, Violation(domain, f"event {event.event_id} of {event.topic}")
    for domain, found in consumed.items():
        for event_id in sorted(strange[domain]):
            yield ARE_PRODUCED, Violation(domain, f"event {event_id}")
        for event_id, count in found.items():
            if count > 1:
                yield CONSUMED_ONCE, Violation(domain, f"event {event_id}: {count} times")
