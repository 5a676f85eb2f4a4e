"""Workers of the recording application (recorder_app.py) as processes, and what they have written down."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.ports import HOST, choose
from deploy.local.settings_files import VARIABLE
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings
from streams_app.topics import TopicSpec, changelog_topic

PARTITIONS = 8


class Recorder:
    """One worker; it can be started again, then with a log that goes on."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.port = choose([name], {}, [])[name]
        self._environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process without waiting."""
        command = [sys.executable, "-m", "faust", "-A", "tests.integration.recorder_app", "-L", "uvloop", "worker"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--loglevel", "info", "--web-port", str(self.port)],
                cwd=PROJECT,
                env={**self._environment, "STREAMS_WEB_PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the last start."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, seconds: float = 30) -> int:
        """Wait for the end of the process; its exit status."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, seconds)

    async def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def lines(self) -> int:
        """How many lines the log has."""
        return self.log.read_text().count("\n")

    def page(self, path: str) -> dict[str, Any]:
        """A JSON page of the worker; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def state(self) -> dict[str, Any]:
        """The page /state."""
        return self.page("/state")


class Recording:
    """A topic of its own, the workers on it, and what they did."""

    def __init__(self, stack: Stack, settings: Settings, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.app_id = f"recorder-{secrets.token_hex(4)}"
        self.topic = TopicSpec(f"{self.app_id}.records", "any")
        self.servers = bootstrap_servers(settings.broker_url)
        self.workers: list[Recorder] = []
        self.produced = 0
        #: The load that is being written.
        self.load: asyncio.Task[None] | None = None
        self._enough = False
        self._settings = settings

    async def prepare(self) -> None:
        """Create the topics."""
        async with TopicAdmin(self._settings.broker_url, PARTITIONS, 1) as admin:
            await admin.create_missing([self.topic, changelog_topic(self.app_id, "seen")])

    def worker(self, **environment: str) -> Recorder:
        """A worker, not yet started; `environment` sets single settings."""
        made = Recorder(
            f"{self.app_id}-{len(self.workers)}",
            self.folder,
            {
                VARIABLE: str(self.stack.config_path),
                "RECORDER_FOLDER": str(self.folder),
                "STREAMS_APP_ID": self.app_id,
                "STREAMS_TOPIC_PARTITIONS": str(PARTITIONS),
                **environment,
            },
        )
        self.workers.append(made)
        return made

    def begin_load(self, seconds: float, rate: int) -> asyncio.Task[None]:
        """Write about `rate` records a second, for `seconds` or until `end_load`."""
        self.load = asyncio.ensure_future(self._produce(seconds, rate))
        return self.load

    async def end_load(self) -> None:
        """Let the load end by itself: a producer that is cancelled while it starts stays open."""
        self._enough = True
        if self.load is not None:
            await asyncio.wait({self.load})

    async def produce(self, count: int) -> None:
        """Write `count` records, spread over all partitions."""
        async with AIOKafkaProducer(bootstrap_servers=self.servers, linger_ms=5) as producer:
            await self._send(producer, count)

    async def _produce(self, seconds: float, rate: int) -> None:
        end = time.monotonic() + seconds
        async with AIOKafkaProducer(bootstrap_servers=self.servers, linger_ms=5) as producer:
            while time.monotonic() < end and not self._enough:
                await self._send(producer, rate // 10)
                await asyncio.sleep(0.1)

    async def _send(self, producer: AIOKafkaProducer, count: int) -> None:
        for n in range(self.produced, self.produced + count):
            await producer.send(self.topic.name, b"v", key=b"k", partition=n % PARTITIONS)
        await producer.flush()
        self.produced += count

    def done(self) -> list[tuple[int, float, int, int, int]]:
        """What was processed: (pid, monotonic seconds, partition, first offset, last offset), in order of time."""
        lines = [line for file in self.folder.glob("*.done") for line in file.read_text().splitlines()]
        return sorted((tuple(json.loads(line)) for line in lines), key=lambda entry: entry[1])

    def times_processed(self) -> dict[int, Counter[int]]:
        """Per partition, how often each offset was processed."""
        counts: dict[int, Counter[int]] = {partition: Counter() for partition in range(PARTITIONS)}
        for _, _, partition, first, last in self.done():
            counts[partition].update(range(first, last + 1))
        return counts

    def processed(self) -> int:
        """How many different records were processed."""
        return sum(len(offsets) for offsets in self.times_processed().values())

    def repeated(self) -> dict[int, int]:
        """Per partition, how many records were processed more than once, each time counted."""
        return {partition: offsets.total() - len(offsets) for partition, offsets in self.times_processed().items()}

    async def committed(self) -> dict[int, int]:
        """The group's committed offsets."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, group_id=self.app_id, enable_auto_commit=False)
        async with consumer:
            places = [TopicPartition(self.topic.name, n) for n in range(PARTITIONS)]
            consumer.assign(places)
            return {place.partition: await consumer.committed(place) or 0 for place in places}

    async def close(self) -> None:
        """End the load and kill what still runs."""
        await self.end_load()
        for worker in self.workers:
            if worker.process is not None and worker.process.poll() is None:
                worker.process.kill()
            if worker.process is not None:
                worker.process.wait()
