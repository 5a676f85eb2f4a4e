"""A transactional agent without transactions: faster, and what it had sent comes again after a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.partition_state import Recovered, recover
from streams_app.kafka.transactional_producer import Output, UnsendableError

_BATCH_BYTES = 262_144


class UntransactedCluster:
    """The brokers behind a broker URL, used at least once: a Cluster for TransactionalProcessor.

    Records go out as they are sent, and positions are those that Faust commits.
    """

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url

    async def open_producer(self, transactional_id: str) -> UntransactedProducer:
        """An idempotent producer that fences nobody. Raises ConnectionError."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers(self._broker_url), enable_idempotence=True, max_batch_size=_BATCH_BYTES
        )
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        return UntransactedProducer(producer)

    async def recover(self, changelog: str, partition: int) -> Recovered:
        """The state alone. Raises ConnectionError, StartError."""
        return Recovered((await recover(self._broker_url, changelog, partition)).entries)


class UntransactedProducer:
    """Sends, and returns when all is stored."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def transact(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, int], group: str) -> None:
        """Store every record. Raises UnsendableError and ConnectionError."""
        try:
            for future in [
                await self._producer.send(out.topic, out.value, out.key, out.partition, headers=list(out.headers))
                for out in outputs
            ]:
                await future
        except MessageSizeTooLargeError as error:
            raise UnsendableError(str(error)) from error
        except KafkaError as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._producer.stop()
