"""Reads the topics of published events beside the workers' own agents, in a group of its own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from streams_app.delivery.retry import until_done
from streams_app.kafka.reading import reader
from streams_app.settings import Settings

logger = logging.getLogger(__name__)

_MOST = 2000


async def confirm_all(
    settings: Settings, topics: Sequence[str], confirm: Callable[[Sequence[Any]], Awaitable[object]]
) -> None:
    """Hand every record of the topics to `confirm`, at least once; for ever, cancel it to stop."""
    consumer = reader(settings.broker_url, group_id=f"{settings.app_id}-published")
    consumer.subscribe(topics)
    await until_done(consumer.start, what="confirming", on_retry=lambda failure: None)
    try:
        while True:
            batches = await consumer.getmany(timeout_ms=200, max_records=_MOST)
            records = [record for batch in batches.values() for record in batch]
            if not records:
                continue
            await until_done(lambda: confirm(records), what="confirming", on_retry=lambda failure: None)  # noqa: B023
            try:
                await consumer.commit()
            except KafkaError as error:
                # What is confirmed twice stays as it was.
                logger.warning("confirmed positions are not committed: %s", error)
    finally:
        await consumer.stop()
