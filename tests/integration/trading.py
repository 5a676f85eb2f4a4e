"""Trading as a whole on the tests' stack: connectors, an exchange, a worker of all roles; and its commands."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from deploy.local import Stack
from deploy.local.connectors import connector_config
from deploy.local.layout import PROJECT
from deploy.local.ports import HOST, choose
from deploy.local.rest import get_json
from deploy.local.worker import Worker
from streams_app.application import add_commands
from streams_app.kafka.admin import TopicAdmin
from streams_app.settings import Settings
from streams_app.systems.trading.commands import trading_group
from streams_app.topics import signals_changelog
from tests.fix_stack import administrator

APP_ID = "trading"
#: 5 topics of 3 partitions, and 2 parked ones a region.
PARTITIONS = 5 * 3 + 3 * 2 * 3


class Trading:
    """The running system."""

    def __init__(self, stack: Stack, worker: Worker, environment: dict[str, str]) -> None:
        self.stack = stack
        self.worker = worker
        #: What processes of the system need to know.
        self.environment = environment

    def run(self, *words: str, status: int = 0) -> str:
        """Run `trading …` in this process, as a person would; returns what it prints."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environment, "STREAMS_CONFIG": str(self.stack.config_path)}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(trading_group, words)
        assert done.exit_code == status, done.output
        return done.output

    def json(self, *words: str, status: int = 0) -> Any:
        """The same with --json."""
        return json.loads(self.run(*words, "--json", status=status))


@contextmanager
def running(stack: Stack, settings: Settings, folder: Path) -> Iterator[Trading]:
    """Start everything; stop it afterwards, and remove connectors and slots."""
    add_commands()
    port = choose(["exchange"], {}, [])["exchange"]
    environment = {
        "STREAMS_SYSTEMS": "trading",
        "STREAMS_APP_ID": APP_ID,
        "STREAMS_TRADING__EXCHANGE_URL": f"http://{HOST}:{port}",
        "STREAMS_TRADING__EXCHANGE_TIMEOUT": "1",
    }
    command = [sys.executable, "-m", "faust", "-A", "streams_app", "trading", "exchange", "--port", str(port)]
    exchange = subprocess.Popen(
        [*command, "--journal", str(folder / "exchange.jsonl"), "--slow-seconds", "0.05"],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
    )
    worker = Worker("trading", stack.config_path, stack.layout.root, environment)
    try:
        asyncio.run(_make_changelog(settings))
        worker.start()
        register(stack, settings)
        worker.await_ready(partitions=PARTITIONS)
        yield Trading(stack, worker, environment)
    finally:
        worker.stop()
        exchange.terminate()
        exchange.wait()
        unregister(stack, settings)


async def _make_changelog(settings: Settings) -> None:
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, 1) as admin:
        await admin.create_missing([signals_changelog(APP_ID)])


def register(stack: Stack, settings: Settings) -> None:
    """Register the connector of each region's outbox, and wait until it streams."""
    for region, database in stack.databases.items():
        port = stack.site.ports[database.name]
        stack.connect.register(
            f"orders-{region}", connector_config(region, HOST, port, str(stack.layout.secrets), "orders")
        )
    deadline = time.monotonic() + 60
    for region in stack.databases:
        while not _streams(f"{stack.connect.address}/connectors/orders-{region}/status"):
            assert time.monotonic() < deadline, f"orders-{region} does not stream"
            time.sleep(0.1)


def unregister(stack: Stack, settings: Settings) -> None:
    """Remove the connectors, and their slots as soon as nobody reads them."""
    for region in stack.databases:
        stack.connect.remove(f"orders-{region}")
    for region, database in settings.regions.items():
        slot = f"orders_{region.replace('-', '_')}"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with (
                suppress(psycopg.Error),
                administrator(settings, stack, database.server, settings.database.name) as connection,
            ):
                connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
                break
            time.sleep(0.1)


def _streams(url: str) -> bool:
    try:
        status = get_json(url)
    except OSError:
        return False  # not known yet
    return bool(status["tasks"]) and status["tasks"][0]["state"] == "RUNNING"
