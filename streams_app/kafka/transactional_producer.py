"""One transactional id: what is sent under it, all of it or nothing, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streams_app.changefeed.change import Headers
from streams_app.errors import FencedError

# Larger than any record that a topic of ours takes: the broker's limit decides.
_MAX_REQUEST_BYTES = 2_000_000
_BATCH_BYTES = 262_144
# Seconds after which the broker ends a transaction that nobody ends: longer than any session of the group.
_TRANSACTION_SECONDS = 60
# Seconds that a producer which is given up may take to let go of its connections.
_CLOSE_SECONDS = 2.0

_FENCED = (ProducerFenced, InvalidProducerEpoch)
_UNSENDABLE = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
_FORBIDDEN = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed)


@dataclass(frozen=True, slots=True)
class Output:
    """A record to send. Without a partition it goes to the one that its key hashes to (murmur2, as in Java's clients).

    Raises ValueError when it has neither key nor value.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None

    def __post_init__(self) -> None:
        if self.key is None and self.value is None:
            raise ValueError(f"a record for {self.topic} has neither key nor value")


class UnsendableError(ValueError):
    """The broker takes one of the records under no circumstances."""


class TransactionalProducer:
    """A producer under one transactional id. After an error it must be closed, and another one opened."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @classmethod
    async def open(cls, bootstrap_servers: str, transactional_id: str) -> TransactionalProducer:
        """Take the id over: former producers under it are fenced, and what they left open is aborted, or completed
        where its commit had begun. Raises ConnectionError, to be tried again, and what a person must look at.
        """
        opened = cls(
            AIOKafkaProducer(
                bootstrap_servers=bootstrap_servers,
                transactional_id=transactional_id,
                transaction_timeout_ms=_TRANSACTION_SECONDS * 1000,
                max_batch_size=_BATCH_BYTES,
                max_request_size=_MAX_REQUEST_BYTES,
            )
        )
        try:
            with opened._explained():
                await opened._producer.start()
        except BaseException:
            await opened.close()
            raise
        return opened

    async def transact(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, int], group: str) -> None:
        """Send everything in one transaction, with the group's offsets; return when it is committed.

        Raises FencedError: another producer has the id. UnsendableError: one of the records can never be sent.
        ConnectionError: nobody knows what became of the transaction; a newly opened producer ends it either way.
        """
        sent: list[asyncio.Future[Any]] = []
        try:
            with self._explained():
                await self._check_partitions(outputs)
                await self._producer.begin_transaction()
                for out in outputs:
                    headers = list(out.headers)
                    sent.append(
                        await self._producer.send(out.topic, out.value, out.key, out.partition, headers=headers)
                    )
                # aiokafka would commit although a record was refused: each must be known to be stored.
                await asyncio.gather(*sent)
                await self._producer.send_offsets_to_transaction(offsets, group)
                await self._producer.commit_transaction()
        except BaseException:
            for future in sent:
                future.add_done_callback(_retrieved)
            raise

    async def _check_partitions(self, outputs: Sequence[Output]) -> None:
        for topic, partition in {(out.topic, out.partition) for out in outputs if out.partition is not None}:
            if partition not in await self._producer.partitions_for(topic):
                raise UnsendableError(f"topic {topic} has no partition {partition}")

    async def close(self) -> None:
        """Let go of the connections. What is not committed stays so; errors are of no interest any more."""
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._producer.stop()
        sender = self._producer._sender.sender_task
        if sender is not None and not sender.done():
            sender.cancel()
        with suppress(Exception):
            await self._producer.client.close()
        self._silence()

    def _silence(self) -> None:
        """Take note of the errors in futures that aiokafka keeps and nobody awaits: they were raised to us already."""
        ended = self._producer._txn_manager.wait_for_transaction_end()
        if ended is not None:
            ended.add_done_callback(_retrieved)
        for batches in self._producer._message_accumulator._batches.values():
            for batch in batches:
                batch._drain_waiter.add_done_callback(_retrieved)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the client's errors into what they mean for us."""
        try:
            yield
        except Exception as error:
            meaning = self._meaning(error)
            if meaning is error:
                raise
            raise meaning from error

    def _meaning(self, error: BaseException) -> BaseException:
        sender = self._producer._sender.sender_task
        # Once its sender has died, aiokafka answers every call with an error about its state: the cause is there.
        if sender is not None and sender.done() and not sender.cancelled():
            error = sender.exception() or error
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, _FENCED):
            return FencedError(f"{self._producer._txn_manager.transactional_id} is another producer's now ({text})")
        if isinstance(error, _UNSENDABLE):
            return UnsendableError(text)
        if isinstance(error, KafkaError | AssertionError) and not isinstance(error, _FORBIDDEN):
            return ConnectionError(text)
        return error


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
