"""A consumer group of the kill test: an effect row for every event. Its group is STREAMS_APP_ID."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.tracking_chaos.plan import PARTITIONS, SQL, dead_letters, home_of, topic
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.kafka.app import create_faust_app
from streams_app.kafka.dead_letters import TopicDeadLetterSink
from streams_app.observability.pages import Observer, add_pages
from streams_app.settings import load_settings
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from streams_app.topics import TopicSpec

settings = load_settings()
app, databases = create_faust_app(settings), Databases(settings)


async def make_effects(connection: Connection, region: str, events: Sequence[Incoming]) -> None:
    """A row for each event, in their order."""
    rows = {"keys": [event.data["key"] for event in events], "event_ids": [event.event_id for event in events]}
    await connection.execute(SQL["make_effects"], {"group": settings.app_id, **rows})


def home(event: Incoming) -> str:
    """The region of the event's effect."""
    return home_of(event.data["key"], databases.regions.names)


consumer = TrackedConsumer("tracking-chaos", settings.app_id, databases, home, make_effects, settings)
letters = TopicDeadLetterSink(app, TopicSpec(dead_letters(topic()), "key", PARTITIONS))
app.batch_agent(
    "tracking-chaos",
    [TopicSpec(topic(), "key", PARTITIONS)],
    [BatchProcessor(consumer, NoVersions(), letters) for _ in range(settings.lanes)],
    settings,
)
add_pages(app, Observer(app, databases, {}, settings.stall_timeout))
app.before_start.append(databases.open)
app.after_stop.append(databases.close)
