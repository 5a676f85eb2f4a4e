"""What a step of the workflow is: a unit of work in the database of one domain, begun by an event, ended by events.

The same steps run behind Kafka, where the outbox and the inbox of the domain make each of them happen once, and in one
process without it, where a simulation measures what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streams_app.allocation_settings import DomainName, StepName
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.messages import Payload


class Step(Protocol):
    """A unit of work. No step reads another domain's tables with its own connection."""

    @property
    def name(self) -> StepName:
        """How people call it."""
        ...

    @property
    def domain(self) -> DomainName:
        """The database that it works in."""
        ...

    @property
    def topic(self) -> str:
        """Where its events come from."""
        ...

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Make the effects of events in the transaction of `connection`; returns the events of the next steps, which
        are published if and only if it commits.

        Every event is given once that commits. Raises what psycopg raises, RegionUnavailableError when another domain
        that it asks is away, and anything else for an event that can have no effect.
        """
        ...
