"""Bad input on real topics: each becomes a dead letter or a FAILED request, and the neighbours flow on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.scraped import total_of
from streams_app.changefeed.partitions import murmur2_partition
from streams_app.kafka.admin import bootstrap_servers
from streams_app.systems.requests.model import RequestType, Status
from streams_app.topics import DEAD_LETTERS, NEW_REQUESTS, REQUEST_SIGNALS, REQUEST_STATUS
from tests.fix_stack import eventually
from tests.integration.data import head, insert_account, insert_request, last_event

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Bad:
    """A message that must become a dead letter with `reason`."""

    reason: str
    topic: str
    key: bytes | None
    value: bytes | None


def debezium(row: dict[str, Any] | None, op: str = "u", before: dict[str, Any] | None = None) -> bytes:
    """A change as Debezium sends it."""
    source = {"connector": "postgresql", "name": "us-east", "table": "t", "lsn": 1, "ts_ms": 1}
    return orjson.dumps({"before": before, "after": row, "op": op, "source": source, "ts_ms": 1})


def cockroachdb(request_id: str, locality: int) -> bytes:
    """A change as CockroachDB sends it."""
    row = {"locality": locality, "request_id": request_id, "request_type_id": 2, "request_status_id": 1}
    return orjson.dumps({"after": row, "updated": "1701102296662969433.0000000000"})


def messages() -> list[Bad]:
    """One message of each kind of bad input."""
    ids = [str(uuid4()) for _ in range(20)]
    link = {"locality": 3, "action_state_link_id": 2002, "seq_num": 2}
    new, status = NEW_REQUESTS.name, REQUEST_STATUS.name
    return [
        Bad("not_json", new, ids[0].encode(), b"\x00\x01 not json"),
        Bad("not_utf8", new, ids[1].encode(), b'{"after": "\xff\xfe"}'),
        Bad("unknown_envelope", status, ids[2].encode(), b'{"hello": "world"}'),
        Bad("missing_key", status, None, debezium({"request_id": ids[3], **link})),
        Bad(
            "unknown_request_type",
            new,
            ids[4].encode(),
            debezium({"request_id": ids[4], "locality": 3, "request_type_id": 99}),
        ),
        Bad(
            "unknown_link",
            status,
            ids[5].encode(),
            debezium({"request_id": ids[5], **link, "action_state_link_id": 99}),
        ),
        Bad("bad_request_id", status, b"not-a-uuid", debezium({"request_id": "not-a-uuid", **link})),
        Bad("bad_locality", status, ids[6].encode(), debezium({"request_id": ids[6], **link, "locality": 77})),
        Bad("request_not_found", status, ids[7].encode(), debezium({"request_id": ids[7], **link})),
        Bad("oversized", new, ids[8].encode(), debezium({"request_id": ids[8], "locality": 3, "pad": "x" * 300_000})),
        Bad("null_value", status, ids[9].encode(), None),
        Bad("null_value", REQUEST_SIGNALS.name, b"", None),
        Bad("unexpected_delete", new, ids[10].encode(), debezium(None, "d", {"request_id": ids[10], "locality": 3})),
        Bad("key_mismatch", status, ids[11].encode(), debezium({"request_id": ids[12], **link})),
        Bad("unknown_region", new, b'["us-north", 11, "%s"]' % ids[14].encode(), cockroachdb(ids[14], 11)),
        Bad("wrong_region", new, b'["us-west", 11, "%s"]' % ids[15].encode(), cockroachdb(ids[15], 11)),
        Bad("too_deep", new, ids[13].encode(), b'{"after":' + b'{"a":' * 200 + b"1" + b"}" * 201),
    ]


async def test_every_bad_message_is_a_dead_letter_and_good_requests_around_it_complete(settings, databases, workers):
    [worker] = workers.start()
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap_servers(settings.broker_url)) as producer,
        AIOKafkaConsumer(
            DEAD_LETTERS.name,
            bootstrap_servers=bootstrap_servers(settings.broker_url),
            auto_offset_reset="earliest",
        ) as consumer,
    ):
        bad, good, sent = messages(), [], {}
        for message in bad:
            good.append(await insert_request(databases))
            # On the partition of a good request, so that they are true neighbours.
            partition = murmur2_partition(str(good[-1].request_id).encode(), settings.topic_partitions)
            place = await producer.send_and_wait(message.topic, message.value, message.key, partition)
            sent[place.topic, place.partition, place.offset] = message
        worker.await_ready()

        async def all_complete() -> bool:
            """every good request completes"""
            heads = [await head(databases, key) for key in good]
            return all(found is not None and found[0] == Status.COMPLETE for found in heads)

        await eventually(all_complete, 60)
        letters: dict[tuple[str, int, int], tuple[Any, dict[str, str]]] = {}
        async with asyncio.timeout(60):
            while len(letters) < len(bad):
                letter = await consumer.getone()
                headers = {name: value.decode() for name, value in letter.headers}
                origin = (
                    headers["dead-letter-topic"],
                    int(headers["dead-letter-partition"]),
                    int(headers["dead-letter-offset"]),
                )
                if origin in sent:
                    letters[origin] = (letter, headers)
    for origin, message in sent.items():
        letter, headers = letters[origin]
        assert headers["dead-letter-reason"] == message.reason, message
        assert letter.value == message.value
        assert letter.key == (b"" if message.key is None and message.value is None else message.key)

    async def nothing_waits() -> bool:
        """no record stays behind, the last changes of the good requests are through, too"""
        return worker.health()["lag"] == 0

    await eventually(nothing_waits, 30)
    # A worker that loses its partitions for a moment may write a letter twice, under the same id.
    assert total_of(worker.metrics(), "streams_dead_letters_total", reason="oversized") >= 1


async def test_a_request_of_an_unknown_account_fails_with_the_reason(databases, workers):
    workers.start()[0].await_ready()
    key = await insert_request(databases, account_id=uuid4())

    async def failed() -> bool:
        """the request fails"""
        found = await head(databases, key)
        return found is not None and found[0] == Status.FAILED

    await eventually(failed)
    assert (await last_event(databases, key))["reason"] == "account_unknown"


async def test_a_request_that_its_account_does_not_allow_fails_with_the_reason(databases, workers):
    workers.start()[0].await_ready()
    account = await insert_account(databases, permissions=["VIEW"])
    key = await insert_request(databases, account, RequestType.ACCOUNT_PERMISSION_CHANGE, {"grant": ["VIEW"]})

    async def failed() -> bool:
        """the request fails"""
        found = await head(databases, key)
        return found is not None and found[0] == Status.FAILED

    await eventually(failed)
    assert (await last_event(databases, key))["reason"] == "permission_already_held"
