"""Transactional batches: positions, state and output records of a batch are committed together or not at all.

A partition number of the source topics is one unit: one transactional id, one state, one transaction at a time (equal
numbers of topics with equal partition counts go to one worker: `together` of batch_agent). Its producer, its state and
its positions are opened together, in this order, and thrown away together upon any doubt; so after an error nobody
guesses whether a transaction was committed: the next attempt reads it from the changelog, where the former transaction
has then ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from aiokafka import TopicPartition

from streams_app import metrics
from streams_app.changefeed import RecordLike, Undecodable
from streams_app.delivery.ports import DeadLetter, Rejected
from streams_app.delivery.retry import until_done
from streams_app.errors import FailureClass, FencedError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.dead_letters import dead_letter_headers, key_and_value
from streams_app.kafka.partition_state import Recovered, State, changelog_records, recover
from streams_app.kafka.transactional_producer import Output, TransactionalProducer, UnsendableError

logger = logging.getLogger(__name__)

# Decides what a record leads to: changes the state, returns what to send. Pure: it may be called again for a record.
Decide: TypeAlias = Callable[[RecordLike, MutableMapping[bytes, bytes]], Iterable[Output]]

# Partitions opened at a time: each connects twice and reads its changelog.
_OPENED_AT_ONCE = 4


class Producer(Protocol):
    """What is asked of TransactionalProducer."""

    async def transact(self, outputs: Sequence[Output], offsets: dict[TopicPartition, int], group: str) -> None:
        """Commit everything together. Raises FencedError, UnsendableError, ConnectionError."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class Cluster(Protocol):
    """Where transactions are made, and their results read."""

    async def open_producer(self, transactional_id: str) -> Producer:
        """Take the id over from whoever had it; their transaction is ended. Raises ConnectionError."""
        ...

    async def recover(self, changelog: str, partition: int) -> Recovered:
        """What is committed in a partition of the changelog. Raises ConnectionError, StartError."""
        ...


class KafkaCluster:
    """The brokers behind a broker URL."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url

    async def open_producer(self, transactional_id: str) -> TransactionalProducer:
        """Take the id over from whoever had it; their transaction is ended. Raises ConnectionError."""
        return await TransactionalProducer.open(bootstrap_servers(self._broker_url), transactional_id)

    async def recover(self, changelog: str, partition: int) -> Recovered:
        """What is committed in a partition of the changelog. Raises ConnectionError, StartError."""
        return await recover(self._broker_url, changelog, partition)


@dataclass(slots=True)
class _Session:
    """One partition number, as long as this worker has it and nothing went wrong."""

    producer: Producer
    committed: Recovered


class TransactionalProcessor:
    """The `process` of a batch agent whose outputs a read_committed consumer sees exactly once.

    `group` is the app's id. `changelog` is a compacted topic with as many partitions as the source topics, and no
    other agent's; `dead_letters` is the topic for records that cannot be handled.
    """

    def __init__(
        self, cluster: Cluster, group: str, agent: str, decide: Decide, *, changelog: str, dead_letters: str
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._agent = agent
        self._decide = decide
        self._changelog = changelog
        self._dead_letters = dead_letters
        self._sessions: dict[int, _Session] = {}
        self._opening = asyncio.Semaphore(_OPENED_AT_ONCE)
        self._closing: set[asyncio.Future[None]] = set()

    async def process(self, records: Sequence[RecordLike]) -> None:
        """Return when all that the records lead to is committed, partition numbers side by side.

        Raises FencedError when another worker has one of the partitions, and what a person must look at; then nothing
        may be acked. What was committed nevertheless is passed over when it comes again.
        """
        by_partition: dict[int, list[RecordLike]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        answers = await asyncio.gather(
            *(self._carry(partition, part) for partition, part in by_partition.items()), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        metrics.BATCH_SIZE.labels(self._agent).observe(len(records))
        metrics.LAST_PROGRESS.labels(self._agent).set(time.time())

    def clear(self) -> None:
        """The partitions are gone: forget what is known of them. Nothing may be in `process`."""
        for session in self._sessions.values():
            closing = asyncio.ensure_future(session.producer.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._sessions.clear()

    async def close(self) -> None:
        """Forget everything, and wait until the connections are closed."""
        self.clear()
        await asyncio.gather(*self._closing)

    async def _carry(
        self, partition: int, records: Sequence[RecordLike], refused: UnsendableError | None = None
    ) -> None:
        """Commit records; one whose outputs the broker refuses is searched by halves, and becomes a dead letter."""
        try:
            await until_done(
                partial(self._attempt, partition, records, refused),
                what=f"{self._agent}: transaction of partition {partition}",
                on_retry=_count_retry,
            )
        except UnsendableError as error:
            if refused is not None:
                raise
            if len(records) == 1:
                await self._carry(partition, records, error)
                return
            middle = len(records) // 2
            await self._carry(partition, records[:middle])
            await self._carry(partition, records[middle:])

    async def _attempt(self, partition: int, records: Sequence[RecordLike], refused: UnsendableError | None) -> None:
        session = self._sessions.pop(partition, None) or await self._open(partition)
        try:
            await self._transact(session, partition, records, refused)
        except BaseException as error:
            metrics.TRANSACTIONS.labels(self._agent, "fenced" if isinstance(error, FencedError) else "aborted").inc()
            # What it still has under way is unknown: only a new producer brings that to an end.
            await session.producer.close()
            raise
        self._sessions[partition] = session

    async def _open(self, partition: int) -> _Session:
        async with self._opening:
            producer = await self._cluster.open_producer(f"{self._group}-{self._agent}-{partition}")
            try:
                # Only now: a transaction of the former owner has ended, and no other one can begin.
                return _Session(producer, await self._cluster.recover(self._changelog, partition))
            except BaseException:
                await producer.close()
                raise

    async def _transact(
        self, session: _Session, partition: int, records: Sequence[RecordLike], refused: UnsendableError | None
    ) -> None:
        known = session.committed
        fresh = []
        for record in records:
            if record.offset >= known.positions.get(record.topic, 0):
                fresh.append(record)
            else:
                metrics.RECORDS.labels(self._agent, record.topic, "duplicate").inc()
        if not fresh:
            return
        state = State(known.entries)
        with metrics.stage(self._agent, "decide"):
            outputs, letters = self._decide_all(fresh, state, refused)
        positions = {record.topic: record.offset + 1 for record in fresh}
        offsets = {TopicPartition(topic, partition): offset for topic, offset in positions.items()}
        with metrics.TRANSACTION_SECONDS.labels(self._agent).time():
            changelog = changelog_records(self._changelog, partition, state.changes, positions)
            await session.producer.transact([*outputs, *changelog], offsets, self._group)
        for out in changelog:
            assert out.key is not None
            known.take(out.key, out.value)
        self._count(fresh, letters)

    def _decide_all(
        self, records: Sequence[RecordLike], state: State, refused: UnsendableError | None
    ) -> tuple[list[Output], list[DeadLetter]]:
        """What the records lead to, and the dead letters among it."""
        outputs: list[Output] = []
        letters: list[DeadLetter] = []
        for record in records:
            try:
                if refused is not None:
                    raise refused
                made = list(self._decide(record, state))
                state.keep()
            except Exception as error:
                state.drop()
                letters.append(self._letter(record, error))
                made = [self._dead_letter(letters[-1])]
            outputs += made
        return outputs, letters

    def _letter(self, record: RecordLike, error: Exception) -> DeadLetter:
        if isinstance(error, Undecodable | Rejected):
            return DeadLetter(self._agent, record, error.reason, error.detail)
        place = (record.topic, record.partition, record.offset)
        logger.error("%s: record at %s fails for good", self._agent, place, exc_info=error)
        reason = "unsendable" if isinstance(error, UnsendableError) else "processing_failed"
        stack = "".join(traceback.format_exception(error, limit=20))
        return DeadLetter(self._agent, record, reason, f"{type(error).__name__}: {error}"[:500], stack)

    def _dead_letter(self, letter: DeadLetter) -> Output:
        return Output(self._dead_letters, *key_and_value(letter), dead_letter_headers(letter))

    def _count(self, records: Sequence[RecordLike], letters: Sequence[DeadLetter]) -> None:
        metrics.TRANSACTIONS.labels(self._agent, "committed").inc()
        for letter in letters:
            metrics.DEAD_LETTERS.labels(self._agent, letter.reason).inc()
        dead, now = {id(letter.record) for letter in letters}, time.time()
        for record in records:
            metrics.END_TO_END.labels(self._agent, "kafka").observe(max(0.0, now - (record.timestamp or 0) / 1000))
            outcome = "dead" if id(record) in dead else "applied"
            metrics.RECORDS.labels(self._agent, record.topic, outcome).inc()


def _count_retry(failure: FailureClass) -> None:
    metrics.RETRIES.labels("kafka", failure).inc()
