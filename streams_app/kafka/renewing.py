"""Topics that begin anew: for simulations, whose workers must find nothing of an earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams_app.errors import StartError
from streams_app.kafka.admin import TopicAdmin
from streams_app.kafka.reading import admin_client
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

# Seconds between looks whether topics are gone, and how often one looks.
_LOOK, _LOOKS = 0.1, 150
# Deletes all that there is.
_EVERYTHING = RecordsToDelete(-1)


async def renew_topics(settings: Settings, specs: Sequence[TopicSpec]) -> None:
    """Leave every topic empty, with as many partitions as it must have. Nobody may write to them meanwhile.

    One that fits stays, and loses its records: whoever publishes to it need not notice. Raises StartError and
    KafkaError.
    """
    async with (
        TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as topics,
        admin_client(settings.broker_url) as client,
    ):
        differing = await topics.differences(specs)
        other = [name for name, what in differing.items() if what != "missing"]
        if other:
            await client.delete_topics(other)
            await _gone(client, set(other))
        fitting = [spec for spec in specs if spec.name not in differing]
        places = [TopicPartition(spec.name, n) for spec in fitting for n in range(topics.partitions_of(spec))]
        if places:
            await client.delete_records(dict.fromkeys(places, _EVERYTHING))
        await topics.create_missing(specs)


async def _gone(client: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until topics are gone. Raises StartError when they stay."""
    for _ in range(_LOOKS):
        if not names & set(await client.list_topics()):
            return
        await asyncio.sleep(_LOOK)
    raise StartError(f"topics do not go: {', '.join(sorted(names))}")
