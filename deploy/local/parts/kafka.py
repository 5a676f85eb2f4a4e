"""An Apache Kafka broker that is its own controller (KRaft)."""

from __future__ import annotations

import secrets
import socket
import struct
from pathlib import Path

from ..errors import PartError
from ..java import find_jars, find_java
from ..ports import HOST
from ..processes import run
from .base import Part, Site

NODE_ID = 1
METADATA_REQUEST, VERSION = 3, 1
# One garbage collector thread: the stack shares a small machine with what is being tested.
JVM = ("-XX:+UseSerialGC", "-Xms128m", "-Xmx512m", "-Dfile.encoding=UTF-8")


class Kafka(Part):
    """The broker. Topics are made by the application: the broker makes none by itself."""

    start_seconds = 120.0
    stop_seconds = 20.0

    def __init__(self, site: Site) -> None:
        """`site` is the stack the broker belongs to."""
        super().__init__(site, "kafka")

    @property
    def ports(self) -> tuple[str, ...]:
        """For clients, and for the controller's quorum."""
        return ("kafka", "kafka-controller")

    @property
    def folder(self) -> Path:
        """Configuration and data."""
        return self.site.layout.folder("kafka")

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
        cluster = secrets.token_hex(11)
        arguments = ["format", "--standalone", "--ignore-formatted", "--cluster-id", cluster]
        arguments += ["--config", str(self.properties_file)]
        command = [*java_command("broker"), "kafka.tools.StorageTool", *arguments]
        if run(command, log=self.log, cwd=self.folder, user=self.user) != 0:
            raise PartError(self.name, "could not format its data folder", self.log)

    def command(self) -> list[str]:
        """The broker's main class."""
        return [*java_command("broker"), "kafka.Kafka", str(self.properties_file)]

    def is_ready(self) -> bool:
        """True when the broker counts itself among the living: an open port alone is too early."""
        try:
            return living_brokers(self.site.ports["kafka"]) > 0
        except (OSError, struct.error):
            return False

    def _properties(self) -> dict[str, object]:
        clients, controller = self.site.address("kafka"), self.site.address("kafka-controller")
        return {
            "node.id": NODE_ID,
            "process.roles": "broker,controller",
            "controller.quorum.bootstrap.servers": controller,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{clients},CONTROLLER://{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            # One broker holds the only copy of everything.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "min.insync.replicas": 1,
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


def living_brokers(port: int) -> int:
    """Ask the broker at `port` how many brokers it knows alive. Raises OSError when there is no answer."""
    with socket.create_connection((HOST, port), timeout=1) as connection:
        # Header: api, version, correlation id, client id (null); body: no topics.
        request = struct.pack(">hhihi", METADATA_REQUEST, VERSION, 0, -1, 0)
        connection.sendall(struct.pack(">i", len(request)) + request)
        # The answer opens with its size, the correlation id and the number of brokers.
        answer = connection.recv(12, socket.MSG_WAITALL)
        return int(struct.unpack(">iii", answer)[2])


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
