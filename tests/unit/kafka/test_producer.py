"""A broker that is away is not asked without pause."""

from streams_app.kafka import producer
from streams_app.kafka.producer import pace


class Client:
    """Answers as told."""

    def __init__(self) -> None:
        self.answer = False

    async def _metadata_update(self, cluster, topics) -> bool:
        return self.answer


async def test_a_failed_update_is_followed_by_a_pause(monkeypatch):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    client = Client()
    pace(client)
    monkeypatch.setattr(producer.asyncio, "sleep", sleep)
    assert not await client._metadata_update("cluster", ["topic"])
    assert pauses == [producer.PAUSE]
    client.answer = True
    assert await client._metadata_update("cluster", ["topic"])
    assert pauses == [producer.PAUSE]
