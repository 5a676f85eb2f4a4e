"""Faust's producer, with the pause that its Kafka client leaves out; record batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import aiokafka
from faust.transport.drivers import aiokafka as stock

# Seconds between attempts to learn of a broker that does not answer.
PAUSE = 0.1

#: Timestamp in epoch milliseconds (None: now), key, value, headers.
Row: TypeAlias = tuple[int | None, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


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


def filled_batches(producer: Any, rows: Iterable[Row]) -> Iterator[tuple[Any, bytes | None]]:
    """Rows as record batches to be sent, in order, each as full as it may be, with the key of its last record."""
    batch, last = producer.create_batch(), None
    for timestamp, key, value, headers in rows:
        if batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
            yield batch, last
            batch = producer.create_batch()
            batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
        last = key
    if batch.record_count():
        yield batch, last
