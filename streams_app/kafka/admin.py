"""Topics as they are against topics as they must be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.metadata import MetadataRequest

from streams_app.errors import StartError
from streams_app.topics import KEYED, TopicSpec

# Seconds after which a new topic that nobody sees is the caller's to report.
_VISIBLE_AFTER = 15.0


def bootstrap_servers(broker_url: str) -> str:
    """host:port[,host:port…] of a kafka:// URL."""
    return broker_url.removeprefix("kafka://").rstrip("/")


class TopicAdmin:
    """Creates and checks topics. Use as an async context manager."""

    def __init__(self, broker_url: str, partitions: int, replication: int) -> None:
        self._client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers(broker_url))
        self._partitions = partitions
        self._replication = replication

    async def __aenter__(self) -> TopicAdmin:
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    def partitions_of(self, spec: TopicSpec) -> int:
        """How many partitions the topic must have."""
        return self._partitions if spec.partitions == KEYED else spec.partitions

    async def differences(self, specs: Iterable[TopicSpec]) -> dict[str, str]:
        """Topics that are missing or have another number of partitions: name → what is wrong."""
        wanted = list(specs)
        have = set(await self._client.list_topics())
        present = [spec for spec in wanted if spec.name in have]
        counts = {
            topic["topic"]: len(topic["partitions"])
            for topic in (await self._client.describe_topics([spec.name for spec in present]) if present else [])
        }
        wrong = {spec.name: "missing" for spec in wanted if spec.name not in have}
        for spec in present:
            count = counts.get(spec.name, 0)
            if count != self.partitions_of(spec):
                wrong[spec.name] = f"has {count} partitions, must have {self.partitions_of(spec)}"
        return wrong

    async def create_missing(self, specs: Iterable[TopicSpec]) -> list[str]:
        """Create the topics that are missing; returns their names."""
        have = set(await self._client.list_topics())
        missing = [spec for spec in specs if spec.name not in have]
        if missing:
            response = await self._client.create_topics(
                [
                    NewTopic(spec.name, self.partitions_of(spec), self._replication, topic_configs=spec.config)
                    for spec in missing
                ]
            )
            for name, code, *message in response.topic_errors:
                if code not in (0, 36):  # 36: somebody else created it at the same time
                    raise StartError(f"topic {name} cannot be created: error {code} {message}")
            await self._visible({spec.name for spec in missing})
        return [spec.name for spec in missing]

    async def _visible(self, names: set[str]) -> None:
        """Wait until every broker knows of new topics: the answer to their creation comes earlier."""
        deadline = time.monotonic() + _VISIBLE_AFTER
        client = self._client._client
        for broker in client.cluster.brokers():
            while time.monotonic() < deadline:
                answer = (await client.send(broker.nodeId, MetadataRequest())).to_object()
                if names <= {topic["topic"] for topic in answer["topics"]}:
                    break
                await asyncio.sleep(0.1)

    async def check(self, specs: Iterable[TopicSpec]) -> None:
        """Raises StartError when a topic is missing or has another number of partitions."""
        wrong = await self.differences(specs)
        if wrong:
            lines = "\n".join(f"  {name}: {what}" for name, what in sorted(wrong.items()))
            raise StartError(f"topics do not fit:\n{lines}\nrun `faust -A streams_app topics --create`")
