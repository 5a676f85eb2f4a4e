"""Kafka Connect in distributed mode, with Debezium connectors in every region."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..connectors import connector_config, connector_name, places_of
from ..errors import PartError
from ..java import find_jars
from ..ports import HOST
from ..processes import POLL_SECONDS
from ..rest import answers, delete, get_json, put_json
from .base import Part, Site
from .kafka import java_command, write_properties
from .postgres import Postgres

CONFLICT, SERVER_ERROR = 409, 500


class Connect(Part):
    """The Connect worker. Its internal topics it makes itself; those of the connectors must exist."""

    start_seconds = 120.0
    stop_seconds = 8.0  # harmless to kill: offsets and records are committed together

    def __init__(self, site: Site, databases: Mapping[str, Postgres], templates: Sequence[str]) -> None:
        """`site` is the stack it belongs to, `databases` the server to read of each region.

        Each of `templates` makes a connector in every region, or in every domain that it is for.
        """
        super().__init__(site, "connect")
        self.databases = databases
        self.templates = templates

    @property
    def address(self) -> str:
        """Its REST interface."""
        return f"http://{super().address}"

    @property
    def folder(self) -> Path:
        """Configuration; it keeps its data in Kafka."""
        return self.site.layout.folder("connect")

    @property
    def properties_file(self) -> Path:
        """The worker's configuration."""
        return self.folder / "connect.properties"

    def prepare(self) -> None:
        """Write the worker's configuration."""
        self.folder.mkdir(exist_ok=True)
        write_properties(self.properties_file, self._properties())

    def command(self) -> list[str]:
        """The distributed worker's main class."""
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return [*java_command("connect"), main, str(self.properties_file)]

    def is_ready(self) -> bool:
        """True when the REST interface serves, which it does once the worker has joined its group."""
        return answers(f"{self.address}/connectors")

    def register_connectors(self) -> None:
        """Register the connectors of all regions, or bring them up to date."""
        for name, config in self.connectors().items():
            self.register(name, config)

    def register(self, name: str, config: dict[str, str]) -> None:
        """Register one connector, or bring it up to date. Raises PartError."""
        deadline = time.monotonic() + self.start_seconds
        while not self._registered(name, config):
            if time.monotonic() > deadline:
                raise PartError(self.name, f"did not take the connector {name}", self.log)
            time.sleep(POLL_SECONDS)

    def remove(self, name: str) -> None:
        """Remove a connector; its slot stays. Raises OSError."""
        delete(f"{self.address}/connectors/{name}", seconds=20)

    def await_connectors(self) -> None:
        """Wait until each connector streams: its task runs and its replication slot is in use.

        Raises PartError, with what the connectors say, when that does not happen in time.
        """
        deadline = time.monotonic() + self.start_seconds
        while idle := self._idle_connectors():
            if time.monotonic() > deadline:
                raise PartError(self.name, f"has connectors that do not stream: {'; '.join(idle)}", self.log)
            time.sleep(POLL_SECONDS)

    def connectors(self) -> dict[str, dict[str, str]]:
        """The configuration of every connector by its name."""
        secrets = str(self.site.layout.secrets)
        return {
            connector_name(place, template): connector_config(
                place, HOST, self.site.ports[self.databases[region].name], secrets, template
            )
            for template in self.templates
            for place, (region, _) in places_of(template).items()
        }

    def _registered(self, name: str, config: dict[str, str]) -> bool:
        url = f"{self.address}/connectors/{name}/config"
        try:
            if get_json(url) == {**config, "name": name}:
                return True  # as it was: a PUT would restart it for nothing
        except OSError:
            pass  # not known yet
        try:
            put_json(url, config, seconds=20)
        except urllib.error.HTTPError as error:
            # While the worker rebalances it refuses, and while the database starts it cannot validate.
            if error.code != CONFLICT and error.code < SERVER_ERROR:
                text = error.read().decode(errors="replace")
                raise PartError(self.name, f"refuses the connector {name}: {text}", self.log) from error
            return False
        except OSError:
            return False
        return True

    def _idle_connectors(self) -> list[str]:
        try:
            known = get_json(f"{self.address}/connectors?expand=status")
        except OSError as error:
            return [f"no answer from {self.address}: {error}"]
        idle, configs = [], self.connectors()
        running = [
            (connector_name(place, template), self.databases[region])
            for template in self.templates
            for place, (region, _) in places_of(template).items()
        ]
        for name, database in running:
            trouble = _trouble(known.get(name, {}).get("status"))
            # The status may date from before a kill; the slot tells of now.
            if not trouble and not database.streams(configs[name]["slot.name"]):
                trouble = "its replication slot is not in use"
            if trouble:
                idle.append(f"{name}: {trouble}")
        return idle

    def _properties(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self.site.bootstrap,
            "group.id": "streams-connect",
            "listeners": self.address,
            "plugin.path": find_jars() / "plugins",
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "config.storage.topic": "connect-configs",
            "config.storage.replication.factor": self.site.replication,
            "offset.storage.topic": "connect-offsets",
            "offset.storage.replication.factor": self.site.replication,
            "offset.storage.partitions": 4,
            "status.storage.topic": "connect-status",
            "status.storage.replication.factor": self.site.replication,
            "status.storage.partitions": 2,
            "exactly.once.source.support": "enabled",
            # What a killed worker left open hides the offsets topic from the next one for so long (else a minute).
            "producer.transaction.timeout.ms": 10_000,
            # A missing topic is our mistake: with one made on the fly the partition count would be wrong.
            "topic.creation.enable": "false",
            # Secrets: one file per role, and no other file.
            "config.providers": "directory",
            "config.providers.directory.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
            "config.providers.directory.param.allowed.paths": self.site.layout.secrets,
            # After kill -9 its place in the group is free again after this session.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1500,
            "scheduled.rebalance.max.delay.ms": 0,
        }


def _trouble(status: dict[str, Any] | None) -> str:
    """Say what keeps a connector of this status from running; nothing when it runs."""
    if status is None:
        return "not registered"
    units = [status["connector"], *status["tasks"]]
    for unit in units:
        if unit["state"] != "RUNNING":
            reason = unit.get("trace", "").partition("\n")[0]
            return f"{unit['state']} {reason}".strip()
    return "" if status["tasks"] else "no task yet"
