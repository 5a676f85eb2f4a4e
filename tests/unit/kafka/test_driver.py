"""The driver's consumer without a broker: contiguous positions, commits that fail or hang, what the monitor shows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import faust
import pytest
from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from mode import Service

from streams_app.kafka import consumer_thread, driver
from streams_app.kafka.app import create_faust_app
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

STOCK, BATCH = TP("stock", 0), TP("batch", 0)


@dataclass
class KafkaRecord:
    """As the Kafka client has it."""

    topic: str
    offset: int
    partition: int = 0
    timestamp: int = 0
    timestamp_type: int = 0
    headers: tuple = ()
    key: bytes = b"k"
    value: bytes = b"v"
    checksum: None = None
    serialized_key_size: int = 1
    serialized_value_size: int = 1


class Thread(Service):
    """In place of the Kafka client's thread: keeps what is committed, and can refuse or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[TP, int] = {}
        self.fails = False
        self.hangs = False
        self.fetched: dict[TP, list[KafkaRecord]] = {}
        self.rewound: dict[TP, int] = {}
        self.while_fetching: Callable[[], None] = lambda: None

    def next_fetch(self, tp):
        return None, None

    async def commit(self, offsets: dict[TP, int]) -> bool:
        if self.hangs:
            await asyncio.Event().wait()
        if not self.fails:
            self.committed.update(offsets)
        return not self.fails

    def assignment(self) -> set[TP]:
        return {STOCK, BATCH}

    def highwater(self, tp: TP) -> int:
        return 100

    async def getmany(self, active: object, timeout: float) -> dict[TP, list[KafkaRecord]]:  # noqa: ASYNC109
        self.while_fetching()
        return self.fetched

    async def rewind(self, firsts: dict[TP, int]) -> None:
        self.rewound.update(firsts)


class StockConsumer(stock.Consumer):
    def _new_consumer_thread(self) -> Thread:
        return Thread()


class OurConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> Thread:
        return Thread()


class Producer:
    async def flush(self) -> None:
        pass


@pytest.fixture
async def app(tmp_path):
    settings = Settings(app_id="unit", data_dir=tmp_path, drain_timeout=0.05)
    app = create_faust_app(settings)
    (app.lane,) = app.batch_agent("batch", [TopicSpec("batch", "any")], nothing, settings)
    return app


@pytest.fixture
async def consumer(app):
    """The consumer of our driver, with a thread and a producer that need no broker."""
    app._producer = Producer()
    return prepared(app, OurConsumer)


@pytest.fixture
async def stock_consumer():
    """Faust's own consumer."""
    return prepared(faust.App("stock", broker="kafka://nowhere"), StockConsumer)


def prepared(app, kind):
    app.topics._acking_topics.add("stock")
    return kind(app.transport, nothing, nothing, nothing)


async def nothing(*_: object) -> None:
    pass


def deliver(consumer, offsets):
    """Hand over records as a fetch does; returns Faust's messages by offset."""
    return {offset: consumer._to_message(STOCK, KafkaRecord("stock", offset)) for offset in offsets}


def ack(consumer, messages, offsets):
    for offset in offsets:
        consumer.ack(messages[offset])


@pytest.mark.parametrize("first", [2585, 0])
async def test_faust_commits_past_an_event_in_flight(stock_consumer, first):
    """Why our driver has a watermark of its own. When this fails, Faust has mended it."""
    messages = deliver(stock_consumer, range(first, first + 5))
    stock_consumer._committed_offset[STOCK] = first
    ack(stock_consumer, messages, range(first + 1, first + 5))
    assert stock_consumer._new_offset(STOCK) == first + 5


@pytest.mark.parametrize("first", [2585, 0])
async def test_our_driver_does_not(consumer, first):
    messages = deliver(consumer, range(first, first + 5))
    consumer._committed_offset[STOCK] = first
    ack(consumer, messages, range(first + 1, first + 5))
    await consumer.commit()
    assert consumer._thread.committed == {}
    ack(consumer, messages, [first])
    await consumer.commit()
    assert consumer._thread.committed == {STOCK: first + 5}


async def test_faust_counts_the_record_behind_a_gap_as_acked(stock_consumer):
    """As above: offsets 6 and 7 do not exist, 8 is in flight, 9 is done."""
    messages = deliver(stock_consumer, [5, 8, 9])
    stock_consumer._committed_offset[STOCK] = 5
    await stock_consumer._add_gap(STOCK, 6, 8)
    ack(stock_consumer, messages, [5, 9])
    assert stock_consumer._new_offset(STOCK) == 10


async def test_offsets_that_do_not_exist_hold_nothing_back_and_hide_nothing(consumer):
    messages = deliver(consumer, [5, 8, 9])
    await consumer._add_gap(STOCK, 6, 8)
    ack(consumer, messages, [5, 9])
    assert consumer._new_offset(STOCK) == 6
    ack(consumer, messages, [8])
    assert consumer._new_offset(STOCK) == 10


async def test_a_first_record_behind_the_committed_offset_is_committed(consumer):
    """Offset 5 was committed, and there is a transaction marker at 5."""
    consumer._committed_offset[STOCK] = 5
    ack(consumer, deliver(consumer, [6]), [6])
    assert consumer._new_offset(STOCK) == 7


async def test_what_faust_delivers_again_without_handing_it_on_holds_nothing_back(consumer):
    ack(consumer, deliver(consumer, range(5)), range(5))
    deliver(consumer, range(3))
    assert consumer._new_offset(STOCK) == 5


async def test_done_events_are_committed_before_their_partitions_go_and_the_rest_never(consumer):
    messages = deliver(consumer, range(5))
    consumer._unacked_messages.update(messages.values())
    ack(consumer, messages, range(3))
    await consumer.on_partitions_revoked({STOCK})
    await consumer.wait_empty()
    assert consumer._thread.committed == {STOCK: 3}
    ack(consumer, messages, [3, 4])
    await consumer.commit()
    assert consumer._thread.committed == {STOCK: 3}


async def test_faust_keeps_a_list_of_all_acked_offsets_no_longer(consumer):
    ack(consumer, deliver(consumer, range(100)), range(100))
    await consumer.commit()
    assert not consumer._acked
    assert not consumer._acked_index


async def test_a_commit_that_failed_is_tried_again(consumer, app):
    app.lane.positions[BATCH] = 7
    consumer._thread.fails = True
    await consumer.commit()
    assert consumer.seconds_uncommitted > 0
    consumer._thread.fails = False
    await consumer.commit()
    assert consumer._thread.committed == {BATCH: 7}
    assert consumer.seconds_uncommitted == 0


async def test_a_worker_whose_commits_hang_while_it_processes_is_found(consumer, app):
    app.lane.positions[BATCH] = 7
    consumer._thread.hangs = True
    hanging = asyncio.ensure_future(consumer.commit())
    await asyncio.sleep(0.02)
    assert consumer.seconds_uncommitted >= 0.02
    hanging.cancel()
    await asyncio.wait({hanging})


async def test_an_idle_worker_has_nothing_uncommitted(consumer, app):
    await consumer.commit()
    assert consumer.seconds_uncommitted == 0
    await asyncio.sleep(0.05)
    await consumer.commit()
    app.lane.positions[BATCH] = 7
    assert consumer.seconds_uncommitted < 0.05


async def test_partitions_go_although_the_last_commit_hangs(consumer, app, monkeypatch, caplog):
    monkeypatch.setattr(driver, "COMMIT_TIMEOUT", 0.01)
    app.lane.positions[BATCH] = 7
    consumer._thread.hangs = True
    await asyncio.wait_for(consumer.wait_empty(), 5)
    assert "go without a last commit" in caplog.text
    assert app.lane.positions == {}


async def test_records_fetched_while_a_rebalance_passes_are_fetched_again(consumer, app):
    """It seeks to the committed offsets before they are fetched, and is over before they are here."""

    def rebalance() -> None:
        app.consumer_generation_id += 1

    consumer._thread.fetched = {tp: [KafkaRecord(tp.topic, offset) for offset in (7, 8)] for tp in (BATCH, STOCK)}
    consumer._thread.while_fetching = rebalance
    assert await consumer._getmany(None, 1.0) == {}
    assert app.lane.waiting_from(BATCH) is None
    assert consumer._thread.rewound == {BATCH: 7, STOCK: 7}


async def test_records_fetched_while_the_flow_stops_are_fetched_again(consumer, app):
    consumer._thread.fetched = {BATCH: [KafkaRecord("batch", 7)]}
    consumer._thread.while_fetching = consumer.stop_flow
    assert await consumer._getmany(None, 1.0) == {}
    assert consumer._thread.rewound == {BATCH: 7}


async def test_the_client_goes_back_only_where_it_has_come_past(monkeypatch):
    """A seek that has been done since, to an earlier offset, must stand; a partition may be gone."""
    sought, positions = {}, {"past": 9, "before": 3, "gone": None}

    class Client:
        def seek(self, tp, offset):
            sought[tp.topic] = offset

    thread = consumer_thread.ConsumerThread.__new__(consumer_thread.ConsumerThread)
    monkeypatch.setattr(thread, "next_fetch", lambda tp: (positions[tp.topic], None), raising=False)
    monkeypatch.setattr(thread, "_ensure_consumer", Client, raising=False)
    await thread._rewind({TP(topic, 0): 7 for topic in positions})
    assert sought == {"past": 7}


async def test_the_monitor_shows_what_a_batch_agent_receives_and_commits(consumer, app):
    records = [KafkaRecord("batch", offset) for offset in range(10, 15)]
    consumer._thread.fetched = {BATCH: records}
    await consumer._getmany(None, 1.0)
    app.lane.positions[BATCH] = 15
    await consumer.commit()
    shown = app.monitor.asdict()
    assert shown["messages_received_total"] == 5
    assert shown["messages_received_by_topic"] == {"batch": 5}
    assert shown["topic_read_offsets"] == {"batch": {0: 14}}
    assert shown["topic_end_offsets"] == {"batch": {0: 100}}
    assert shown["topic_committed_offsets"] == {"batch": {0: 15}}


async def test_partitions_that_go_on_are_fetched_at_once(consumer):
    consumer.pause_partitions({STOCK, BATCH})
    waiting = asyncio.ensure_future(consumer._wait_next_records(5))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    consumer.resume_partitions({BATCH})
    for _ in range(5):
        await asyncio.sleep(0)
    assert waiting.done()
    assert await waiting == ({}, set())
