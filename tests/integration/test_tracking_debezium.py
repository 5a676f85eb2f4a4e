"""The other way to the topics: Debezium reads the log's new rows, and what is seen on the topics is PUBLISHED."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from deploy.local import Stack
from deploy.local.connectors import connector_config
from deploy.local.errors import PartError
from deploy.local.rest import get_json
from streams_app.databases import Databases
from streams_app.kafka.confirming import confirm_all
from streams_app.settings import Settings
from streams_app.systems.tracking.confirmation import confirm
from tests.fix_stack import administrator, eventually
from tests.integration.events import REGION, event, make_topic, publish, read_topic, rows

pytestmark = pytest.mark.stack

OF_TOPIC = """
    SELECT event_id, status, partition_number, "offset" FROM event_production_log
     WHERE region = %(region)s AND topic = %(topic)s ORDER BY id
"""


@pytest.fixture
def connector(stack: Stack, fresh_settings: Settings, settings: Settings) -> Iterator[str]:
    """A connector on the events of one region's fresh database, gone afterwards with its slot."""
    name, database = f"events-{REGION}", fresh_settings.database.name
    config = stack.connect.connectors()[f"requests-{REGION}"]
    host, port = config["database.hostname"], int(config["database.port"])
    secrets = config["database.password"].removeprefix("${directory:").partition(":")[0]
    own = connector_config(REGION, host, port, secrets, "events") | {"database.dbname": database}
    stack.connect.register(name, own)
    yield f"{stack.connect.address}/connectors/{name}"
    stack.connect.remove(name)
    server = settings.regions[REGION].server
    for _ in range(50):
        with suppress(psycopg.Error), administrator(settings, stack, server, database) as connection:
            connection.execute("SELECT pg_drop_replication_slot('events_us_east')")
            return
    raise PartError("connect", "keeps the slot of the events", stack.connect.log)


async def test_debezium_publishes_each_event_once_and_the_topic_says_where(
    connector: str, fresh_databases: Databases, fresh_settings: Settings
) -> None:
    topic = await make_topic(fresh_settings)

    async def streaming() -> bool:
        try:
            status = await asyncio.to_thread(get_json, f"{connector}/status")
        except OSError:
            return False  # not known yet
        return bool(status["tasks"]) and status["tasks"][0]["state"] == "RUNNING"

    async def slot_in_use() -> bool:
        found = await rows(
            fresh_databases, "SELECT active FROM pg_replication_slots WHERE slot_name = 'events_us_east'"
        )
        return bool(found and found[0][0])

    await eventually(streaming)
    await eventually(slot_in_use)
    confirming = asyncio.create_task(confirm_all(fresh_settings, [topic], partial(confirm, fresh_databases)))
    for start in range(0, 60, 20):
        await publish(
            fresh_databases,
            fresh_settings,
            *(event(topic, f"d{n}", f"key-{n % 5}", n=n) for n in range(start, start + 20)),
        )

    async def all_published() -> bool:
        return {row[1] for row in await rows(fresh_databases, OF_TOPIC, topic=topic)} == {"PUBLISHED"}

    await eventually(all_published)
    confirming.cancel()
    await asyncio.gather(confirming, return_exceptions=True)
    records = await read_topic(fresh_settings, topic)
    placed = {(r.partition, r.offset): dict(r.headers) for r in records}
    assert len(placed) == 60
    for event_id, _, partition, offset in await rows(fresh_databases, OF_TOPIC, topic=topic):
        headers = placed[partition, offset]
        assert headers["event_id"] == event_id.encode()
        assert (headers["event_type"], headers["service"], headers["region"]) == (b"test", b"tests", REGION.encode())
    of_key = [dict(r.headers)["event_id"] for r in records if r.key == b"key-3"]
    assert of_key == [f"d{n}".encode() for n in range(60) if n % 5 == 3]
    assert records[0].value.startswith(b'{"n": ')
