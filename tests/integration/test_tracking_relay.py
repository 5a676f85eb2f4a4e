"""The relay on real parts: order, no gaps, refusals, several relays, a broker that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from streams_app.databases import Databases
from streams_app.delivery.events import EventConflictError
from streams_app.kafka.event_sender import EventSender
from streams_app.settings import Settings
from streams_app.systems.tracking.ports import OutgoingRecord, Placed, Refused
from streams_app.systems.tracking.publisher import TrackedPublisher
from streams_app.systems.tracking.relay import Relay
from tests.fix_stack import eventually
from tests.integration.events import REGION, Letters, event, make_topic, publish, read_topic, relay, rows, servers

pytestmark = pytest.mark.stack

OF_TOPIC = """
    SELECT event_id, status, partition_number, "offset", retry_count, error_message
      FROM event_production_log WHERE region = %(region)s AND topic = %(topic)s ORDER BY id
"""


async def statuses(databases: Databases, topic: str) -> dict[str, str]:
    return {row[0]: row[1] for row in await rows(databases, OF_TOPIC, topic=topic)}


def ids(records: list[Any]) -> list[str]:
    return [dict(record.headers)["event_id"].decode() for record in records]


async def test_events_reach_their_topic_in_order_and_their_rows_say_where(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    topic = await make_topic(fresh_settings)
    for start in range(0, 300, 100):
        await publish(
            fresh_databases, fresh_settings, *(event(topic, f"a{n}", f"key-{n % 7}") for n in range(start, start + 100))
        )
    async with relay(fresh_databases, fresh_settings, relay_batch=70) as publishing:
        while await publishing.round():
            pass
    records = await read_topic(fresh_settings, topic)
    assert len(records) == 300
    by_key: dict[bytes, list[str]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(dict(record.headers)["event_id"].decode())
    assert by_key == {f"key-{k}".encode(): [f"a{n}" for n in range(300) if n % 7 == k] for k in range(7)}
    placed = {(record.partition, record.offset): name for record, name in zip(records, ids(records), strict=True)}
    for event_id, status, partition, offset, _, _ in await rows(fresh_databases, OF_TOPIC, topic=topic):
        assert (status, placed[partition, offset]) == ("PUBLISHED", event_id)


async def test_an_event_is_published_only_with_its_transaction(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    topic = await make_topic(fresh_settings)
    async with fresh_databases.transaction(REGION) as connection:
        await TrackedPublisher("tests", fresh_settings).publish(REGION, [event(topic, "undone")], connection)
        raise psycopg.Rollback
    assert await publish(fresh_databases, fresh_settings, event(topic, "done")) == 1
    assert await publish(fresh_databases, fresh_settings, event(topic, "done")) == 0
    with pytest.raises(EventConflictError, match="done"):
        await publish(fresh_databases, fresh_settings, event(topic, "done", other=1))
    async with relay(fresh_databases, fresh_settings) as publishing:
        while await publishing.round():
            pass
    assert ids(await read_topic(fresh_settings, topic)) == ["done"]


async def test_a_transaction_that_commits_late_is_not_passed_over(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    """The numbers of rows are given before the commit: those that come later may be seen earlier."""
    topic = await make_topic(fresh_settings)
    publisher = TrackedPublisher("tests", fresh_settings)
    async with relay(fresh_databases, fresh_settings) as publishing:
        async with fresh_databases.transaction(REGION) as late:
            await publisher.publish(REGION, [event(topic, "late", "k1")], late)
            await publish(fresh_databases, fresh_settings, event(topic, "early", "k2"))
            assert await publishing.round()
            assert not await publishing.round()
            assert ids(await read_topic(fresh_settings, topic)) == ["early"]
        while await publishing.round():
            pass
    assert sorted(ids(await read_topic(fresh_settings, topic))) == ["early", "late"]
    numbers = await rows(
        fresh_databases, "SELECT event_id FROM event_production_log WHERE topic = %(topic)s ORDER BY id", topic=topic
    )
    assert [row[0] for row in numbers] == ["late", "early"]
    assert set((await statuses(fresh_databases, topic)).values()) == {"PUBLISHED"}


async def test_a_refused_event_is_tried_again_and_keeps_its_key_waiting_until_it_is_given_up(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    topic = await make_topic(fresh_settings, 1, **{"max.message.bytes": "4000"})
    letters = Letters()
    events = [
        event(topic, "r0", "k"),
        event(topic, "big", "k", text="x" * 9000),
        event(topic, "r1", "k"),
        event(topic, "other", "j"),
    ]
    await publish(fresh_databases, fresh_settings, *events)
    async with relay(fresh_databases, fresh_settings, letters) as publishing:
        await publishing.round()
        await publishing.round()
        assert ids(await read_topic(fresh_settings, topic)) == ["r0", "other"]
        found = {row[0]: row for row in await rows(fresh_databases, OF_TOPIC, topic=topic)}
        assert found["big"][1] == "PENDING"
        assert found["big"][4] == 1
        assert "MessageSizeTooLarge" in found["big"][5]
        assert found["r1"][1] == "PENDING"
        await rows(fresh_databases, "SELECT 1")
        for _ in range(600):
            await publishing.round()
            if (await statuses(fresh_databases, topic))["r1"] == "PUBLISHED":
                break
            await asyncio.sleep(0.02)
    found = {row[0]: row for row in await rows(fresh_databases, OF_TOPIC, topic=topic)}
    assert (found["big"][1], found["big"][4]) == ("FAILED", 3)
    assert ids(await read_topic(fresh_settings, topic)) == ["r0", "other", "r1"]
    assert [letter.reason for letter in letters.sent] == ["publish_failed"]
    assert letters.sent[0].record.value is not None


async def test_an_unknown_topic_holds_up_nobody_else(
    fresh_databases: Databases, fresh_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, letters = await make_topic(fresh_settings), Letters()
    await publish(fresh_databases, fresh_settings, event("test.nowhere", "lost"), event(topic, "found"))
    monkeypatch.setattr("streams_app.kafka.event_sender._TOPICS_KNOWN_AFTER", 0.0)
    async with relay(fresh_databases, fresh_settings, letters) as publishing:
        for _ in range(3):
            await publishing.round()
    assert ids(await read_topic(fresh_settings, topic)) == ["found"]
    (row,) = await rows(fresh_databases, OF_TOPIC, topic="test.nowhere")
    assert row[1] == "PENDING"
    assert "there is no topic" in row[5]


async def test_a_refusal_leaves_alone_what_others_have_on_their_way(fresh_settings: Settings) -> None:
    """The lanes of a relay share a sender, which begins anew with another producer after a refusal."""
    topic, narrow = await make_topic(fresh_settings), await make_topic(fresh_settings, **{"max.message.bytes": "1000"})
    large = OutgoingRecord(narrow, b"k", b"x" * 2000, ())

    async with EventSender(servers(fresh_settings)) as sender, asyncio.timeout(30):
        mine = [OutgoingRecord(topic, b"%d" % n, b"x" * 600, ()) for n in range(5000)]
        for _ in range(3):
            answers, refused = await asyncio.gather(sender.send(mine), sender.send([large]))
            assert all(isinstance(answer, Placed) for answer in answers)
            assert [type(answer) for answer in refused] == [Refused]


async def test_relays_share_the_shards_and_take_over_from_one_that_died(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    topic = await make_topic(fresh_settings)
    async with (
        relay(fresh_databases, fresh_settings, lease=1.0, relay_batch=50) as first,
        relay(fresh_databases, fresh_settings, lease=1.0, relay_batch=50) as second,
    ):
        for number in range(400):
            await publish(fresh_databases, fresh_settings, event(topic, f"s{number}", f"key-{number % 20}"))
        one, other = asyncio.create_task(first.run()), asyncio.create_task(second.run())
        await asyncio.sleep(1.5)
        owners = await rows(
            fresh_databases, "SELECT relay_id, count(*) FROM event_relay_shard WHERE region = %(region)s GROUP BY 1"
        )
        assert sorted(row[1] for row in owners) == [8, 8]
        # It dies without a word: what it had taken is another one's when its lease ends.
        first.leave = _nothing  # type: ignore[method-assign]
        one.cancel()
        for number in range(400, 600):
            await publish(fresh_databases, fresh_settings, event(topic, f"s{number}", f"key-{number % 20}"))

        async def all_published() -> bool:
            return set((await statuses(fresh_databases, topic)).values()) == {"PUBLISHED"}

        await eventually(all_published, 20)
        other.cancel()
        await asyncio.gather(one, other, return_exceptions=True)
    by_key: dict[bytes, list[int]] = {}
    for record, name in zip(records := await read_topic(fresh_settings, topic), ids(records), strict=True):
        by_key.setdefault(record.key, []).append(int(name[1:]))
    for numbers in by_key.values():
        assert list(dict.fromkeys(numbers)) == sorted(set(numbers))
    assert sorted({n for numbers in by_key.values() for n in numbers}) == list(range(600))


async def test_a_relay_that_stops_writes_down_what_it_has_sent(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    """Stopped while the broker's answer is on its way."""
    topic, called = await make_topic(fresh_settings), asyncio.Event()
    await publish(fresh_databases, fresh_settings, *(event(topic, f"{topic}-{n}", "k") for n in range(5)))

    async with EventSender(servers(fresh_settings)) as sender:

        class Slow:
            async def send(self, events: Sequence[OutgoingRecord]) -> Sequence[Placed | Refused]:
                # Events of other tests may be on their way, too.
                if any(sent.topic == topic for sent in events):
                    called.set()
                answers = await sender.send(events)
                await asyncio.sleep(0.5)
                return answers

        relaying = asyncio.create_task(Relay(fresh_databases, REGION, Slow(), Letters(), fresh_settings.tracking).run())
        await called.wait()
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
    assert set((await statuses(fresh_databases, topic)).values()) == {"PUBLISHED"}
    assert len(await read_topic(fresh_settings, topic)) == 5


async def _nothing() -> None: ...
