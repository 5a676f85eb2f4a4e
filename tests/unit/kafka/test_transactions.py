"""Transactional batches over an in-memory log: whatever fails, each count is committed once and in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from functools import partial

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from streams_app.changefeed import Record
from streams_app.delivery.ports import Rejected
from streams_app.delivery.retry import until_done
from streams_app.errors import FencedError
from streams_app.kafka import transactions
from streams_app.kafka.partition_state import Recovered, State
from streams_app.kafka.transactional_producer import Output, UnsendableError
from streams_app.kafka.transactions import TransactionalProcessor

# Where a transaction can break: before anything is sent … in the commit, which is then lost, or not.
STEPS = ("begin", "send", "offsets", "commit", "committed")


class Log:
    """The brokers, in memory: committed records only, and who may write under which transactional id."""

    def __init__(self) -> None:
        self.faults: list[str | BaseException] = []
        self.outputs: list[Output] = []
        self.changelog: dict[int, Recovered] = defaultdict(Recovered)
        self.offsets: dict[TopicPartition, int] = {}
        self.epochs: dict[str, int] = defaultdict(int)
        self.open = 0

    def fail(self, *steps: str) -> None:
        """Raise the next fault if it belongs to one of the steps."""
        if self.faults and self.faults[0] in steps:
            raise ConnectionError(str(self.faults.pop(0)))

    async def open_producer(self, transactional_id: str) -> Producer:
        self.fail("open")
        await asyncio.sleep(0)
        self.epochs[transactional_id] += 1
        self.open += 1
        return Producer(self, transactional_id, self.epochs[transactional_id])

    async def recover(self, changelog: str, partition: int) -> Recovered:
        assert changelog == "changelog"
        self.fail("recover")
        await asyncio.sleep(0)
        known = self.changelog[partition]
        return Recovered(dict(known.entries), dict(known.positions))


class Producer:
    """A transactional producer of `Log`."""

    def __init__(self, log: Log, transactional_id: str, epoch: int) -> None:
        self.log, self.transactional_id, self.epoch = log, transactional_id, epoch

    async def transact(self, outputs: Sequence[Output], offsets: dict[TopicPartition, int], group: str) -> None:
        for step in STEPS[:-1]:
            await asyncio.sleep(0)
            if self.log.epochs[self.transactional_id] != self.epoch:
                raise FencedError(self.transactional_id)
            self.log.fail(step)
            if step == "send" and any((out.topic, out.value) == ("out", b"huge") for out in outputs):
                raise UnsendableError("huge")
        for out in outputs:
            if out.topic == "changelog":
                assert out.key is not None
                self.log.changelog[out.partition].take(out.key, out.value)
            else:
                self.log.outputs.append(out)
        self.log.offsets.update(offsets)
        self.log.fail("committed")

    async def close(self) -> None:
        self.log.open -= 1
        await asyncio.sleep(0)


def count(record: Record, state: MutableMapping[bytes, bytes]) -> list[Output]:
    """A running count per key; some records cannot be handled."""
    key = record.key
    state[key] = str(int(state.get(key, b"0")) + 1).encode()
    match record.value:
        case b"bad":
            raise Rejected("not_wanted", "for the test")
        case b"bug":
            raise ZeroDivisionError
        case b"huge":
            return [Output("out", key, b"huge")]
    return [Output("out", key, state[key])]


def records(*values: bytes, topic: str = "t", partition: int = 0, first: int = 0, key: bytes = b"k") -> list[Record]:
    return [Record(topic, partition, first + i, key, value) for i, value in enumerate(values)]


def processor(log: Log) -> TransactionalProcessor:
    return TransactionalProcessor(log, "app", "agent", count, changelog="changelog", dead_letters="dead")


def counts(log: Log, key: bytes = b"k") -> list[bytes]:
    return [out.value for out in log.outputs if out.topic == "out" and out.key == key]


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(transactions, "until_done", partial(until_done, sleep=no_pause))


async def test_outputs_state_and_offsets_are_committed_together():
    log = Log()
    await processor(log).process(records(b"", b"") + records(b"", topic="u", first=7))
    assert counts(log) == [b"1", b"2", b"3"]
    assert log.changelog[0] == Recovered({b"k": b"3"}, {"t": 2, "u": 8})
    assert log.offsets == {TopicPartition("t", 0): 2, TopicPartition("u", 0): 8}
    assert set(log.epochs) == {"app-agent-0"}


@pytest.mark.parametrize("step", ["open", "recover", *STEPS])
async def test_a_failure_at_any_await_is_tried_again_and_counts_once(step):
    log = Log()
    agent = processor(log)
    await agent.process(records(b"", b""))
    log.faults = ["begin", step]
    await agent.process(records(b"", b"", first=2))
    assert not log.faults
    assert counts(log) == [b"1", b"2", b"3", b"4"]
    await agent.close()
    assert log.open == 0


async def test_what_was_committed_is_passed_over_when_it_comes_again():
    log = Log()
    await processor(log).process(records(b"", b"", b""))
    await processor(log).process(records(b"", b"", b"", b""))
    assert counts(log) == [b"1", b"2", b"3", b"4"]


async def test_a_fenced_worker_gives_up_and_writes_nothing():
    log = Log()
    zombie, owner = processor(log), processor(log)
    await zombie.process(records(b""))
    await owner.process(records(b"", first=1))
    with pytest.raises(FencedError):
        await zombie.process(records(b"", first=1))
    assert counts(log) == [b"1", b"2"]
    await zombie.close()
    await owner.process(records(b"", first=2))
    assert counts(log) == [b"1", b"2", b"3"]


async def test_the_former_owner_is_fenced_before_its_state_is_read():
    log = Log()
    former, owner = processor(log), processor(log)
    await former.process(records(b""))
    read = log.recover

    async def late(changelog: str, partition: int) -> Recovered:
        recovered = await read(changelog, partition)
        with pytest.raises(FencedError):
            await former.process(records(b"", first=1))
        return recovered

    log.recover = late
    await owner.process(records(b"", first=1))
    assert counts(log) == [b"1", b"2"]


async def test_one_fenced_partition_leaves_no_other_in_the_middle():
    log = Log()
    agent = processor(log)
    await agent.process(records(b"") + records(b"", partition=1, key=b"l"))
    log.epochs["app-agent-0"] += 1
    with pytest.raises(FencedError):
        await agent.process(records(b"", first=1) + records(b"", partition=1, first=1, key=b"l"))
    assert (counts(log), counts(log, b"l")) == ([b"1"], [b"1", b"2"])


async def test_after_clear_everything_is_read_anew():
    log = Log()
    agent = processor(log)
    await agent.process(records(b""))
    agent.clear()
    other = processor(log)
    await other.process(records(b"", first=1))
    await agent.process(records(b"", first=2))
    assert counts(log) == [b"1", b"2", b"3"]
    await agent.close()
    await other.close()
    assert log.open == 0


@pytest.mark.parametrize(
    ("value", "reason"), [(b"bad", b"not_wanted"), (b"bug", b"processing_failed"), (b"huge", b"unsendable")]
)
async def test_a_record_that_fails_for_good_is_a_dead_letter_of_its_transaction_and_its_neighbours_count(value, reason):
    log = Log()
    await processor(log).process(records(b"", b"", value, b"", b""))
    assert counts(log) == [b"1", b"2", b"3", b"4"]
    [letter] = [out for out in log.outputs if out.topic == "dead"]
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"k", value)
    assert (headers["dead-letter-reason"], headers["dead-letter-offset"]) == (reason, b"2")
    assert log.changelog[0].positions == {"t": 5}


async def test_a_cancelled_batch_leaves_nothing_behind_and_counts_once_later():
    log = Log()
    agent = processor(log)
    await agent.process(records(b""))
    for awaits in range(8):
        task = asyncio.ensure_future(agent.process(records(b"", b"", first=1)))
        for _ in range(awaits):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        agent.clear()
    await agent.process(records(b"", b"", first=1))
    assert counts(log) == [b"1", b"2", b"3"]


async def test_a_permanent_error_leaves_and_nothing_is_acked():
    log = Log()

    async def refuse(changelog: str, partition: int) -> Recovered:
        raise PermissionError("for a person")

    log.recover = refuse
    with pytest.raises(PermissionError, match="for a person"):
        await processor(log).process(records(b""))
    assert log.open == 0


def test_state_shows_what_a_record_changed_and_forgets_it_when_dropped():
    state = State({b"a": b"1", b"b": b"2"})
    del state[b"a"]
    state[b"c"] = b"3"
    assert dict(state) == {b"b": b"2", b"c": b"3"}
    state.drop()
    assert dict(state) == {b"a": b"1", b"b": b"2"}
    del state[b"b"]
    state.keep()
    assert (len(state), state.changes) == (1, {b"b": None})
    with pytest.raises(KeyError):
        del state[b"b"]
    with pytest.raises(TypeError):
        state[b"a"] = "text"


def test_an_output_needs_a_key_or_a_value():
    with pytest.raises(ValueError, match="neither"):
        Output("out", None, None)


KEYS = {0: (b"a", b"b"), 1: (b"c",)}
PLACES = [(topic, partition) for topic in ("t", "u") for partition in KEYS]
FAULTS = st.sampled_from([*STEPS, "open", "recover"])
# What happens next, and the faults that it meets: a batch to the owner, one to a worker that has lost the partitions
# and does not know it, or a takeover by a new owner that begins some records back.
ACTIONS = st.tuples(
    st.sampled_from(["owner", "owner", "owner", "zombie", "takeover"]), st.integers(1, 9), st.lists(FAULTS, max_size=2)
)
VALUES = st.sampled_from([b"", b"", b"", b"", b"bad", b"bug", b"huge"])


class World:
    """Four source partitions, an owner, and its predecessor, which does not know that it is one."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.log = Log()
        self.source = {
            (topic, partition): [
                Record(topic, partition, i, KEYS[partition][i % len(KEYS[partition])], value)
                for i, value in enumerate(values)
            ]
            for topic, partition in PLACES
        }
        self.positions = dict.fromkeys(PLACES, 0)
        self.owner = self.zombie = processor(self.log)

    async def batch(self, agent: TransactionalProcessor, size: int) -> None:
        ends = {place: min(start + size, len(self.source[place])) for place, start in self.positions.items()}
        try:
            await agent.process(
                [record for place, end in ends.items() for record in self.source[place][self.positions[place] : end]]
            )
        except FencedError:
            agent.clear()
            return
        if agent is self.owner:
            self.positions = ends

    async def act(self, action: str, size: int) -> None:
        if action == "takeover":
            self.zombie, self.owner = self.owner, processor(self.log)
            self.positions = {place: max(0, start - size) for place, start in self.positions.items()}
        else:
            await self.batch(self.zombie if action == "zombie" else self.owner, size)

    async def finish(self) -> None:
        self.log.faults = []
        self.owner = processor(self.log)
        await self.batch(self.owner, max(map(len, self.source.values())))


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12), st.lists(ACTIONS, max_size=12))
def test_in_any_run_of_faults_takeovers_and_zombies_every_record_counts_once(values, actions):
    async def run() -> None:
        world = World(values)
        for action, size, faults in actions:
            world.log.faults += faults
            await world.act(action, size)
        await world.finish()
        for partition, keys in KEYS.items():
            for key in keys:
                mine = [
                    r.value for place in PLACES if place[1] == partition for r in world.source[place] if r.key == key
                ]
                good = mine.count(b"")
                assert counts(world.log, key) == [str(n + 1).encode() for n in range(good)]
                dead = [out for out in world.log.outputs if out.topic == "dead" and out.key == key]
                assert len(dead) == len(mine) - good

    asyncio.run(run())
