"""Which broker coordinates: the group of the signal processor, or its transactions of a partition."""

from __future__ import annotations

from aiokafka.client import AIOKafkaClient, CoordinationType

from deploy.trading_chaos.plan import PROCESSOR
from streams_app.kafka.admin import bootstrap_servers
from streams_app.topics import SIGNAL_TOPICS
from streams_app.traded import SIGNALS

#: What is asked for: the group, and the transactional id of each partition.
COORDINATED = (
    (CoordinationType.GROUP, PROCESSOR),
    *((CoordinationType.TRANSACTION, f"{PROCESSOR}-{SIGNALS}-{n}") for n in range(SIGNAL_TOPICS[0].partitions)),
)


async def coordinator(broker_url: str, what: tuple[CoordinationType, str]) -> int:
    """The number of the broker. Raises KafkaError."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers(broker_url))
    await client.bootstrap()
    try:
        return int(await client.coordinator_lookup(*what))
    finally:
        await client.close()
