"""A Faust application of the tests' own: a running count per key, from topic to topic in transactions.

Run as `faust -A tests.integration.counting_app worker`; with COUNTING_TRANSACTIONS=off as nobody should run it.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from streams_app.changefeed import RecordLike
from streams_app.kafka.app import create_faust_app
from streams_app.kafka.transactional_producer import Output
from streams_app.kafka.transactions import Cluster, KafkaCluster, TransactionalProcessor
from streams_app.kafka.untransacted import UntransactedCluster
from streams_app.observability.logs import logging_config
from streams_app.settings import Settings, load_settings
from streams_app.topics import TopicSpec, changelog_topic


class Topics:
    """The topics of one counting application."""

    def __init__(self, app_id: str) -> None:
        self.source = TopicSpec(f"{app_id}.source", "any")
        self.counts = TopicSpec(f"{app_id}.counts", "any")
        self.dead_letters = TopicSpec(f"{app_id}.dead", "any", config={"max.message.bytes": "2097152"})
        self.changelog = changelog_topic(app_id, "counts")

    def all(self) -> list[TopicSpec]:
        return [self.source, self.counts, self.dead_letters, self.changelog]


def processor(cluster: Cluster, app_id: str) -> TransactionalProcessor:
    """Counts the records per key. `bug` fails, and what `huge` leads to is larger than the broker takes."""
    topics = Topics(app_id)

    def count(record: RecordLike, state: MutableMapping[bytes, bytes]) -> list[Output]:
        assert record.key is not None
        if record.value == b"bug":
            raise ZeroDivisionError
        state[record.key] = str(int(state.get(record.key, b"0")) + 1).encode()
        padding = b" " * 1_200_000 if record.value == b"huge" else b""
        return [Output(topics.counts.name, record.key, state[record.key] + padding)]

    return TransactionalProcessor(
        cluster, app_id, "counts", count, changelog=topics.changelog.name, dead_letters=topics.dead_letters.name
    )


def create_app(settings: Settings):  # type: ignore[no-untyped-def]
    """The application, not yet started."""
    app = create_faust_app(settings)
    app.conf.logging_config = logging_config(settings.log_format)
    off = os.environ.get("COUNTING_TRANSACTIONS") == "off"
    counting = processor((UntransactedCluster if off else KafkaCluster)(settings.broker_url), settings.app_id)
    (lane,) = app.batch_agent("counts", [Topics(settings.app_id).source], counting.process, settings)
    lane.on_reset = counting.clear
    app.after_stop.append(counting.close)
    return app


if os.environ.get("COUNTING_WORKER"):
    app = create_app(load_settings())
