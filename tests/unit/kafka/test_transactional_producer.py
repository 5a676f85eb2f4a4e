"""One transactional id over a stand-in for aiokafka's producer: what each failure means, at each await."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    InvalidTxnState,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)

from streams_app.errors import FencedError
from streams_app.kafka import transactional_producer
from streams_app.kafka.transactional_producer import Output, TransactionalProducer, UnsendableError

OUTPUTS = [Output("out", b"k", b"1"), Output("changelog", b"k", b"2", partition=1)]
OFFSETS = {TopicPartition("t", 1): 5}


class FakeProducer:
    """What we use of aiokafka's producer; `failures` names the calls that fail."""

    def __init__(self, **failures: BaseException) -> None:
        self.failures = failures
        self.calls: list[str] = []
        self._sender = SimpleNamespace(sender_task=None)
        self.ended = asyncio.get_running_loop().create_future()
        self._txn_manager = SimpleNamespace(transactional_id="id", wait_for_transaction_end=lambda: self.ended)
        self.drained = asyncio.get_running_loop().create_future()
        batches = {TopicPartition("out", 0): [SimpleNamespace(_drain_waiter=self.drained)]}
        self._message_accumulator = SimpleNamespace(_batches=batches)
        self.client = SimpleNamespace(close=lambda: self._call("client_close"))

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failures:
            raise self.failures[name]

    async def start(self) -> None:
        await self._call("start")

    async def stop(self) -> None:
        await self._call("stop")

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1}

    async def begin_transaction(self) -> None:
        await self._call("begin")

    async def send(self, topic, value, key, partition, headers) -> asyncio.Future[None]:
        await self._call("send")
        stored = asyncio.get_running_loop().create_future()
        if "stored" in self.failures:
            stored.set_exception(self.failures["stored"])
        else:
            stored.set_result(None)
        return stored

    async def send_offsets_to_transaction(self, offsets, group) -> None:
        assert (offsets, group) == (OFFSETS, "group")
        await self._call("offsets")

    async def commit_transaction(self) -> None:
        await self._call("commit")


async def test_everything_is_stored_before_the_commit():
    fake = FakeProducer()
    await TransactionalProducer(fake).transact(OUTPUTS, OFFSETS, "group")
    assert fake.calls == ["begin", "send", "send", "offsets", "commit"]


STEPS = ["begin", "send", "stored", "offsets", "commit"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ProducerFenced(), FencedError),
        (KafkaConnectionError("gone"), ConnectionError),
        (InvalidTxnState(), ConnectionError),
        (AssertionError("Invalid state transition"), ConnectionError),
        (MessageSizeTooLargeError(), UnsendableError),
        (TopicAuthorizationFailedError("out"), TopicAuthorizationFailedError),
        (ZeroDivisionError(), ZeroDivisionError),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
)
async def test_a_failure_at_each_await_is_explained_and_nothing_follows_it(step, error, meaning):
    fake = FakeProducer(**{step: error})
    with pytest.raises(meaning):
        await TransactionalProducer(fake).transact(OUTPUTS, OFFSETS, "group")
    assert fake.calls[-1] == {"stored": "send"}.get(step, step)


async def test_the_cause_is_found_in_the_sender_that_died_of_it():
    async def die() -> None:
        raise ProducerFenced

    fake = FakeProducer(offsets=IllegalOperation("Not in the middle of a transaction"))
    fake._sender.sender_task = asyncio.ensure_future(die())
    await asyncio.wait({fake._sender.sender_task})
    with pytest.raises(FencedError, match="id is another producer's now"):
        await TransactionalProducer(fake).transact(OUTPUTS, OFFSETS, "group")


async def test_a_partition_that_is_not_there_is_refused_before_the_transaction_begins():
    fake = FakeProducer()
    with pytest.raises(UnsendableError, match="no partition 7"):
        await TransactionalProducer(fake).transact([Output("out", b"k", b"", partition=7)], OFFSETS, "group")
    assert fake.calls == []


async def test_close_ends_a_producer_that_does_not_want_to_stop_and_keeps_the_log_clean(monkeypatch):
    monkeypatch.setattr(transactional_producer, "_CLOSE_SECONDS", 0.01)
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    fake = FakeProducer()
    fake.stop = asyncio.Event().wait
    sender = fake._sender.sender_task = asyncio.ensure_future(asyncio.Event().wait())
    fake.ended.set_exception(ProducerFenced())
    fake.drained.set_exception(ProducerFenced())
    await TransactionalProducer(fake).close()
    await asyncio.wait({sender})
    assert sender.cancelled()
    assert fake.calls == ["client_close"]
    del fake, sender
    gc.collect()
    assert said == []


@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), asyncio.CancelledError()])
async def test_a_producer_that_cannot_be_opened_is_closed(monkeypatch, error):
    fake = FakeProducer(start=error)
    monkeypatch.setattr(transactional_producer, "AIOKafkaProducer", lambda **settings: fake)
    with pytest.raises((ConnectionError, asyncio.CancelledError)):
        await TransactionalProducer.open("127.0.0.1:1", "id")
    assert fake.calls == ["start", "stop", "client_close"]
