"""What a simulation of allocations needs of the Kafka side."""

from __future__ import annotations

from functools import partial

from streams_app.allocated import SERVICE
from streams_app.kafka.renewing import renew_topics
from streams_app.settings import Settings
from streams_app.systems.allocations.simulation import Outside
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.topics import allocation_topics


async def _renew(settings: Settings) -> None:
    await renew_topics(settings, allocation_topics(settings.allocations.partitions))


OUTSIDE = Outside(partial(TrackedPublisher, SERVICE), _renew)
