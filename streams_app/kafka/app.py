"""The Faust app with batch agents."""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import faust
from faust.types import TP

from streams_app.errors import StartError
from streams_app.kafka.lanes import Lane
from streams_app.kafka.processors import Process, Processor, processors_of
from streams_app.kafka.producer import filled_batches
from streams_app.kafka.services import Worker
from streams_app.kafka.tables import TableManager
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

logger = logging.getLogger(__name__)

SentRow: TypeAlias = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


class StreamsApp(faust.App):  # type: ignore[misc]
    """A Faust app whose batch agents receive whole lists of records."""

    lanes: list[Lane]
    #: Whether equal numbers of topics with equal partition counts must go to one worker, also without tables.
    together: bool
    #: Seconds that what is in flight may take when partitions go.
    drain_timeout: float
    #: Run before a worker starts; what they raise stops the start.
    before_start: list[Callable[[], Awaitable[None]]]
    #: Run when everything else of a worker has stopped.
    after_stop: list[Callable[[], Awaitable[None]]]

    @property
    def consumer_started(self) -> bool:
        """Whether the Kafka client is there to be asked."""
        return self._consumer is not None and self._consumer.started

    async def on_start(self) -> None:
        """Check before anything else, so that a wrong topic or table is one clear sentence."""
        try:
            for check in self.before_start:
                await check()
        except StartError as error:
            logger.critical("cannot start: %s", error)
            raise
        await super().on_start()
        # The objects of a batch live and die together, without cycles: looking for those after every 700 new objects
        # took a sixth of a worker's time. What is there by now stays.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)

    async def on_shutdown(self) -> None:
        """The agents are gone: let go of what they used."""
        await super().on_shutdown()
        for release in self.after_stop:
            await release()

    async def send_records(self, tp: TP, rows: Iterable[SentRow]) -> int:
        """Store rows of key, value and headers on one partition, in order; returns the offset after the last.

        Raises KafkaError; then some may be stored, the first of them.
        """
        producer, end = self.producer._ensure_producer(), 0
        for batch, _ in filled_batches(producer, ((None, key, value, headers) for key, value, headers in rows)):
            count = batch.record_count()
            stored = await producer.send_batch(batch, tp.topic, partition=tp.partition)
            end = (await stored).offset + count
        return end

    def batch_agent(
        self,
        name: str,
        topics: Iterable[TopicSpec],
        process: Process | Processor | Sequence[Processor],
        settings: Settings,
        *,
        drain_timeout: float | None = None,
        together: bool = False,
        waits: Callable[[], bool] = lambda: False,
    ) -> list[Lane]:
        """Declare a batch agent: `process` gets the records of `topics`, each partition's in order, and returns when
        they may be acked. It shows in `faust agents` like any other. While `waits()`, lack of progress is no illness.

        `process` is a function, or a Processor that decodes ahead and may let records wait. Several share the
        partitions, each in a lane of its own: then so many batches are in flight. Returns the lanes. `together`: what
        is kept of a partition number is about all topics, so one worker must have it of all.
        """
        names = [topic.name for topic in topics]
        self.together = self.together or together
        processors = processors_of(process)
        lanes = [
            Lane(
                name,
                frozenset(names),
                processor,
                batch_size=settings.batch_size,
                buffer_records=settings.buffer_records // len(processors),
                drain_timeout=settings.drain_timeout if drain_timeout is None else drain_timeout,
                share=(number, len(processors)),
                waits=waits,
            )
            for number, processor in enumerate(processors)
        ]
        self.lanes += lanes
        for topic_name in names:
            topic = self.topic(topic_name, key_type=bytes, value_type=bytes)
            # Faust subscribes, assigns and lists by agents of its own; the driver sees to it that no record gets there.
            self.agent(topic, name=f"{name}: {topic_name}")(_never)
        return lanes


async def _never(stream: Any) -> None:
    """Receives whole record lists, through a lane."""
    async for _ in stream:
        raise StartError("a record of a batch agent took the stock path: the broker URL must begin with batches://")


def create_faust_app(settings: Settings) -> StreamsApp:
    """A Faust app with the project's settings, and why they are not Faust's defaults."""
    servers = settings.broker_url.removeprefix("kafka://")
    app = StreamsApp(
        settings.app_id,
        broker=";".join(f"batches://{server}" for server in servers.split(",")),
        broker_commit_interval=settings.commit_interval,
        # A dead worker's partitions move after the session; Faust's 60 s would be an outage.
        broker_session_timeout=settings.session_timeout,
        # Those that live hear of a dead one with their next heartbeat.
        broker_heartbeat_interval=settings.session_timeout / 10,
        broker_rebalance_timeout=max(settings.drain_timeout + 10, settings.session_timeout),
        broker_max_poll_records=settings.batch_size * 2,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
        # Offsets are committed only for what is done: wait for it when partitions go.
        stream_wait_empty=True,
        store="memory://",
        datadir=str(settings.data_dir),
        # Topics are created by `topics --create` with our partitions; Faust's guess would not fit.
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.topic_partitions,
        producer_linger=0.02,
        producer_max_batch_size=262_144,
        # A dead letter is as long as the longest record, and headers.
        producer_max_request_size=9_437_184,
        web_bind=settings.web_host,
        web_port=settings.web_port,
        web_router_enabled=False,
        web_tables_enabled=False,
        # Counters at /, the assignment at /assignment/: nothing of what the records say.
        web_stats_enabled=True,
        worker_redirect_stdouts=False,
        TableManager=TableManager,
        # A standby reads record by record all day to save a second of recovery.
        table_standby_replicas=0,
        Worker=Worker,
    )
    app.lanes = []
    app.together = False
    app.drain_timeout = settings.drain_timeout
    app.before_start = []
    app.after_stop = []
    return app
