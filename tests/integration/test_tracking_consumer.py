"""The tracked consumer on real databases: once per group, with the effect in one transaction, every failure told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from streams_app.changefeed import Record
from streams_app.databases import Databases
from streams_app.databases.connecting import Connection
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.settings import Settings
from streams_app.systems.tracking.consumer import TrackedConsumer
from streams_app.systems.tracking.consumption import Incoming
from tests.integration.events import REGION, Letters, rows

pytestmark = pytest.mark.stack

LOG = """
    SELECT event_id, status, retry_count, processing_time_ms IS NOT NULL, error_message, error_stack_trace, metadata
      FROM event_consumption_log
     WHERE region = %(region)s AND consumer_group = %(group)s ORDER BY id
"""
# No key of its own: it would show every repetition.
EFFECT = b"INSERT INTO request_notice SELECT 0, gen_random_uuid(), 3, %s, now() FROM generate_series(1, 1)"
EFFECTS = "SELECT event_id, count(*) FROM request_notice WHERE event_id LIKE %(group)s || ':%%' GROUP BY 1"


def record(
    offset: int, name: str | None, payload: Any = None, *, partition: int = 0, raw: bytes | None = None
) -> Record:
    headers = (("event_id", name.encode()), ("event_type", b"TESTED")) if name else ()
    value = raw if raw is not None else orjson.dumps(payload or {"name": name})
    return Record("test.consumed", partition, offset, b"key", value, headers)


class Consumer:
    """One group's consumer with its dead letters."""

    def __init__(self, databases: Databases, settings: Settings, group: str, level: str = "full") -> None:
        tracking = settings.tracking.model_copy(update={"consumption": level})
        self.group = group
        self.letters = Letters()
        self.fails: dict[str, int] = {}
        self.batches: list[list[str]] = []
        self._databases = databases
        handler = TrackedConsumer(
            "tests",
            group,
            databases,
            lambda event: REGION,
            self._work,
            settings.model_copy(update={"tracking": tracking}),
        )
        self._processor = BatchProcessor(handler, NoVersions(), self.letters)

    async def _work(self, connection: Connection, region: str, events: Sequence[Incoming]) -> None:
        self.batches.append([event.event_id for event in events])
        for event in events:
            await connection.execute(EFFECT, [f"{self.group}:{event.event_id}"])
            if self.fails.get(event.event_id, 0) > 0:
                self.fails[event.event_id] -= 1
                raise ValueError(f"cannot process {event.event_id}")

    async def take(self, *records: Record) -> None:
        await self._processor.process(self._processor.decode(records))

    async def log(self) -> dict[str, Any]:
        return {row[0]: row for row in await rows(self._databases, LOG, group=self.group)}

    async def effects(self) -> dict[str, int]:
        found = await rows(self._databases, EFFECTS, group=self.group)
        return {event_id.partition(":")[2]: count for event_id, count in found}

    def reasons(self) -> list[str]:
        return [letter.reason for letter in self.letters.sent]


@pytest.mark.parametrize("level", ["full", "outcome", "off"])
async def test_an_event_has_its_effect_once_per_group(
    fresh_databases: Databases, fresh_settings: Settings, level: str
) -> None:
    one = Consumer(fresh_databases, fresh_settings, f"once-{level}", level)
    other = Consumer(fresh_databases, fresh_settings, f"once-too-{level}", level)
    batch = [record(n, f"e{n}") for n in range(20)]
    await one.take(*batch)
    await one.take(*batch)
    await one.take(*(record(n + 100, f"e{n}") for n in range(20)))  # redelivered under other offsets
    await one.take(*batch[:3], *batch[:3], record(200, "e20"))
    await other.take(*batch)
    assert await one.effects() == {f"e{n}": 1 for n in range(21)}
    assert await other.effects() == {f"e{n}": 1 for n in range(20)}
    assert one.letters.sent == []
    log = await one.log()
    if level == "off":
        assert log == {}
    else:
        assert [(row[1], row[3]) for row in log.values()] == [("PROCESSED", True)] * 21


async def test_two_workers_with_the_same_events_make_one_effect(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    workers = [Consumer(fresh_databases, fresh_settings, "race") for _ in range(4)]
    batch = [record(n, f"e{n}") for n in range(50)]
    await asyncio.gather(*(worker.take(*batch) for worker in workers))
    assert await workers[0].effects() == {f"e{n}": 1 for n in range(50)}


async def test_an_event_without_an_id_is_known_by_its_place(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    consumer = Consumer(fresh_databases, fresh_settings, "nameless")
    for _ in range(2):
        await consumer.take(record(7, None, {"a": 1}), record(8, None, {"a": 1}), record(9, None, {"event_id": "own"}))
    assert await consumer.effects() == {"test.consumed-0-7": 1, "test.consumed-0-8": 1, "own": 1}


async def test_an_id_with_another_payload_is_a_conflict_that_both_sides_tell(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    consumer = Consumer(fresh_databases, fresh_settings, "conflict")
    await consumer.take(record(1, "x", {"amount": 1}))
    await consumer.take(record(2, "x", {"amount": 2}), record(3, "y", {"amount": 3}), record(4, "y", {"amount": 4}))
    await consumer.take(record(5, "x", raw=b'{ "amount" : 1 }'))  # the same, written otherwise
    assert await consumer.effects() == {"x": 1, "y": 1}
    assert consumer.reasons() == ["event_conflict"] * 2
    assert [letter.record.offset for letter in consumer.letters.sent] == [2, 4]
    log = await consumer.log()
    assert log["x"][6] == {"conflicts": {"test.consumed-0-2": {"amount": 2}}}
    assert log["y"][6] == {"conflicts": {"test.consumed-0-4": {"amount": 4}}}


async def test_the_same_payload_written_otherwise_is_the_same_event(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    """The log gives back 100 for 1e2, so that is how an event comes that is sent again."""
    consumer = Consumer(fresh_databases, fresh_settings, "spelling")
    consumer.fails = {"failed": 99}
    await consumer.take(record(1, "done", raw=b'{"n": 1e2}'), record(2, "failed", raw=b'{"n": 1e2}'))
    consumer.fails = {}
    await consumer.take(record(3, "done", raw=b'{"n": 100}'), record(4, "failed", raw=b'{"n": 100}'))
    assert await consumer.effects() == {"done": 1, "failed": 1}
    assert {row[1] for row in (await consumer.log()).values()} == {"PROCESSED"}
    assert consumer.reasons() == ["processing_failed"]


async def test_a_failing_event_is_tried_again_then_given_up_and_its_neighbours_flow(
    fresh_databases: Databases, fresh_settings: Settings
) -> None:
    consumer = Consumer(fresh_databases, fresh_settings, "fails")
    consumer.fails = {"e5": 99, "e9": 1}
    await consumer.take(*(record(n, f"e{n}") for n in range(12)))
    log = await consumer.log()
    assert {name: row[1] for name, row in log.items()} == {f"e{n}": "PROCESSED" for n in range(12)} | {"e5": "FAILED"}
    _, status, tries, _, error, stack, _ = log["e5"]
    assert (status, tries) == ("FAILED", 3)
    assert "ValueError: cannot process e5" in error
    assert "_work" in stack
    assert [letter.record.offset for letter in consumer.letters.sent] == [5]
    assert "e5" not in await consumer.effects()
    # Mended, and sent again: it is processed like any other.
    consumer.fails = {}
    await consumer.take(record(5, "e5"))
    assert (await consumer.log())["e5"][1] == "PROCESSED"
    assert await consumer.effects() == {f"e{n}": 1 for n in range(12)}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"no json", "not_json"),
        (b"[1]", "not_an_object"),
        (b'{"a": "\\u0000"}', "nul_in_text"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "oversized"),
        (b"\xff\xfe", "not_utf8"),
    ],
)
async def test_bad_input_is_a_dead_letter(
    fresh_databases: Databases, fresh_settings: Settings, raw: bytes, reason: str
) -> None:
    consumer = Consumer(fresh_databases, fresh_settings, f"bad-{reason}")
    await consumer.take(record(1, "before"), record(2, "bad", raw=raw), record(3, "after"))
    assert consumer.reasons() == [reason]
    assert consumer.letters.sent[0].record.value == raw
    assert await consumer.effects() == {"before": 1, "after": 1}


@pytest.mark.parametrize("state", ["received", "processing", "before the commit"])
async def test_killed_in_any_state_the_event_is_processed_when_it_comes_again(
    fresh_databases: Databases, fresh_settings: Settings, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = f"killed-{state}"
    consumer = Consumer(fresh_databases, fresh_settings, group)
    log = "streams_app.systems.tracking.consumption.ConsumptionLog"
    method = {"received": "begin", "processing": "claim", "before the commit": "finish"}[state]

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(f"{log}.{method}", die)
        task = asyncio.ensure_future(consumer.take(record(1, "e1"), record(2, "e2")))
        await asyncio.wait({task})
        assert task.cancelled()
    found = {row[1] for row in (await consumer.log()).values()}
    assert found == {"RECEIVED" if state == "received" else "PROCESSING"}
    assert await consumer.effects() == {}
    await Consumer(fresh_databases, fresh_settings, group).take(record(1, "e1"), record(2, "e2"))
    assert {row[1] for row in (await consumer.log()).values()} == {"PROCESSED"}
    assert await consumer.effects() == {"e1": 1, "e2": 1}
