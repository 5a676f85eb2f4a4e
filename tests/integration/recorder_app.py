"""A Faust application of the tests' own: one batch agent that writes down which offsets it has processed, and when.

Run as `faust -A tests.integration.recorder_app worker`, with RECORDER_FOLDER naming the folder that it writes to and is
told things by: while a file `hold` is there, batches do not end.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streams_app.changefeed import RecordLike
from streams_app.kafka.app import create_faust_app
from streams_app.observability.logs import logging_config
from streams_app.settings import load_settings
from streams_app.topics import TopicSpec, changelog_topic

FOLDER = Path(os.environ["RECORDER_FOLDER"])
SECONDS = float(os.environ.get("RECORDER_SECONDS", "0"))

settings = load_settings()
app = create_faust_app(settings)
app.conf.logging_config = logging_config(settings.log_format)

TOPIC = TopicSpec(f"{settings.app_id}.records", "any")
# With a table, as the real application has one: Faust assigns partitions and recovers otherwise than without.
CHANGELOG = changelog_topic(settings.app_id, "seen")
app.Table("seen", partitions=settings.topic_partitions)


async def write_down(records: Sequence[RecordLike]) -> None:
    """Process a batch: wait as told, then write its ranges in one go."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for record in records:
        assert last.get(record.partition, record.offset - 1) < record.offset
        first.setdefault(record.partition, record.offset)
        last[record.partition] = record.offset
    (FOLDER / f"begun-{os.getpid()}").touch()
    await asyncio.sleep(SECONDS)
    while (FOLDER / "hold").exists():  # noqa: ASYNC110 (who holds it up is another process)
        await asyncio.sleep(0.02)
    now = time.monotonic()
    lines = [json.dumps([os.getpid(), now, partition, first[partition], last[partition]]) for partition in first]
    with (FOLDER / f"{os.getpid()}.done").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


(lane,) = app.batch_agent("recorder", [TOPIC], write_down, settings)


@app.page("/state")  # type: ignore[untyped-decorator]
async def state(web: Any, request: Any) -> Any:
    """What the tests look at."""
    assigned = [tp for tp in app.consumer.assignment() if tp.topic == TOPIC.name]
    return web.json(
        {
            "partitions": 0 if app.rebalancing else len(assigned),
            "buffered": len(lane._buffer),
            "paused": len(lane._paused),
            "lag": sum(app.consumer.lag().values()),
            "hidden": sum(app.consumer.hidden().values()),
            "rebalances": app.rebalancing_count,
        }
    )
