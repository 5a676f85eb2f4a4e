"""Apache Kafka brokers that are controllers as well (KRaft): one for itself, or three together."""

from __future__ import annotations

import hashlib
import socket
import struct
from pathlib import Path
from typing import Any

from aiokafka.protocol.metadata import MetadataResponse_v1

from ..errors import PartError
from ..java import find_jars, find_java
from ..ports import HOST
from ..processes import run
from .base import Part

METADATA_REQUEST, VERSION = 3, 1
# One garbage collector thread: the stack shares a small machine with what is being tested.
# Stacks are short-lived: the second compiler takes more time than it saves.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms128m", "-Xmx512m", "-Dfile.encoding=UTF-8")


class Kafka(Part):
    """One broker. Topics are made by the application: a broker makes none by itself."""

    start_seconds = 120.0
    stop_seconds = 20.0

    @property
    def node(self) -> int:
        """Its number among the brokers of the stack, from 1."""
        return self.site.brokers.index(self.name) + 1

    @property
    def ports(self) -> tuple[str, ...]:
        """For clients, and for the controllers' quorum."""
        return (self.name, f"{self.name}-controller")

    @property
    def folder(self) -> Path:
        """Configuration and data."""
        return self.site.layout.folder(self.name)

    @property
    def properties_file(self) -> Path:
        """The broker's configuration."""
        return self.folder / "server.properties"

    def prepare(self) -> None:
        """Write the configuration, and format the data folder once."""
        self.folder.mkdir(exist_ok=True)
        write_properties(self.properties_file, self._properties())
        if (self.folder / "data" / "meta.properties").exists():
            return
        # 22 characters of base64 as Kafka's own ids, but none that starts with "-", like an option.
        # Of the folder, so that brokers that are formatted side by side agree on it.
        cluster = hashlib.sha256(str(self.site.layout.root).encode()).hexdigest()[:22]
        arguments = ["format", "--ignore-formatted", "--cluster-id", cluster, "--config", str(self.properties_file)]
        if self.site.replication == 1:
            arguments.append("--standalone")
        command = [*java_command("broker"), "kafka.tools.StorageTool", *arguments]
        if run(command, log=self.log, cwd=self.folder, user=self.user) != 0:
            raise PartError(self.name, "could not format its data folder", self.log)

    def command(self) -> list[str]:
        """The broker's main class."""
        return [*java_command("broker"), "kafka.Kafka", str(self.properties_file)]

    def is_ready(self) -> bool:
        """True when it counts itself among the living and has the newest of what others lead.

        An open port alone is too early.
        """
        try:
            metadata = ask_metadata(self.site.ports[self.name])
        except (OSError, struct.error, ValueError):
            return False
        return self.node in {broker[0] for broker in metadata.brokers} and not behind(metadata, self.node)

    def _properties(self) -> dict[str, object]:
        clients, controller = (self.site.address(port) for port in self.ports)
        copies = self.site.replication
        # Of three, one may be away.
        enough = 1 if copies == 1 else copies - 1
        return {
            "node.id": self.node,
            "process.roles": "broker,controller",
            **self._quorum(),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": enough,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": enough,
            "min.insync.replicas": enough,
            # Fewer partitions of the internal topics start sooner; nothing here needs fifty.
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.num.partitions": 8,
            # How often transactions that ran out of time are looked for.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
            # A broker that was killed is let in again after this session ends.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "log.cleaner.dedupe.buffer.size": 33554432,
        }

    def _quorum(self) -> dict[str, object]:
        """How it finds the controllers, and what only copies on several brokers need."""
        if self.site.replication == 1:
            return {"controller.quorum.bootstrap.servers": self.site.address(f"{self.name}-controller")}
        addresses = [self.site.address(f"{name}-controller") for name in self.site.brokers]
        return {
            "controller.quorum.voters": ",".join(f"{node}@{address}" for node, address in enumerate(addresses, 1)),
            "default.replication.factor": self.site.replication,
            "unclean.leader.election.enable": "false",
            # When all stop together, the last one would wait for minutes that a quorum that is gone lets it go.
            "controlled.shutdown.enable": "false",
        }


def ask_metadata(port: int) -> Any:
    """Ask the broker at `port` for living brokers and all topics. Raises OSError, struct.error or ValueError."""
    with socket.create_connection((HOST, port), timeout=1) as connection:
        # Header: api, version, correlation id, client id (null); body: all topics (null).
        request = struct.pack(">hhihi", METADATA_REQUEST, VERSION, 0, -1, -1)
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            size, _correlation = struct.unpack(">ii", answer.read(8))
            return MetadataResponse_v1.decode(answer.read(size - 4))


def behind(metadata: Any, node: int) -> bool:
    """Whether `node` lacks what other brokers lead; what has no leader now nobody can copy."""
    return any(
        leader >= 0 and node in replicas and node not in in_sync
        for _, _, _, partitions in metadata.topics
        for _, _, leader, replicas, in_sync in partitions
    )


def java_command(jars: str) -> list[str]:
    """The JVM with the classes in a folder of jars, and plain logging to standard error."""
    levels = {
        "defaultLogLevel": "info",
        "log.org.apache.kafka.clients": "warn",
        "log.org.apache.kafka.common": "warn",
        "log.org.eclipse.jetty": "warn",
        "log.org.apache.kafka.connect.runtime.rest.RestServer": "warn",
        "log.io.debezium.util.Threads": "warn",
        "showDateTime": "true",
        "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    }
    logging = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in levels.items()]
    return [str(find_java()), *JVM, *logging, "-cp", f"{find_jars()}/{jars}/*"]


def write_properties(path: Path, properties: dict[str, object]) -> None:
    """Write a Java properties file."""
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
