"""Faust's producer, with the pause that its Kafka client leaves out."""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as stock

# Seconds between attempts to learn of a broker that does not answer.
PAUSE = 0.1


class Producer(stock.Producer):  # type: ignore[misc]
    """The producer of the `batches://` transport."""

    def _new_producer(self, *args: Any, **kwargs: Any) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(*args, **kwargs)
        pace(producer.client)
        return producer


def pace(client: Any) -> None:
    """Make an aiokafka client pause after it has failed to update its metadata.

    Its sender asks again at once, a thousand times a second, on the very machine where the broker may be starting.
    """
    update = client._metadata_update

    async def paced(*args: Any) -> bool:
        updated: bool = await update(*args)
        if not updated:
            await asyncio.sleep(PAUSE)
        return updated

    client._metadata_update = paced
