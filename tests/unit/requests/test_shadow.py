"""A shadow run over records in memory: what they touch, and which of them would be dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from streams_app.changefeed import Record
from streams_app.systems.requests import shadow as shadow_module
from streams_app.systems.requests.agents import RequestsHandler
from streams_app.systems.requests.model import Status
from streams_app.systems.requests.recorded import Recorded
from streams_app.systems.requests.shadow import Comparison, LetterDifference, shadow
from streams_app.systems.requests.store import RequestKey
from streams_app.topics import NEW_REQUESTS, REQUEST_STATUS

from .contexts import BOOK, DETAILS, REGIONS, context

HANDLER = RequestsHandler(SimpleNamespace(), BOOK, REGIONS, 1_000)  # type: ignore[arg-type]
REQUEST = context(next(iter(DETAILS))).request
ABSENT = uuid4()


def change(offset: int, request_id: UUID, topic: str = NEW_REQUESTS.name, **columns: object) -> Record:
    """A change of a request, as its changefeed sends it."""
    row = {"request_id": str(request_id), "locality": REQUEST.locality, **columns}
    value = {"before": None, "after": row, "op": "c", "source": {"lsn": 1, "table": "t", "ts_ms": 1}, "ts_ms": 1}
    return Record(topic, 0, offset, str(request_id).encode(), orjson.dumps(value))


def rubbish(offset: int) -> Record:
    return Record(NEW_REQUESTS.name, 0, offset, b"key", b"rubbish")


def named(offset: int, topic: str = NEW_REQUESTS.name) -> str:
    return f"{topic}-0-{offset}"


@pytest.fixture(autouse=True)
def _one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The databases hold REQUEST alone, without any event."""

    async def load(databases: Any, region: str, keys: Sequence[RequestKey]) -> dict[UUID, Recorded]:
        assert region == REGIONS.of(REQUEST.locality)
        return {key.request_id: Recorded(REQUEST) for key in keys if key.request_id == REQUEST.request_id}

    monkeypatch.setattr(shadow_module, "load_recorded", load)


async def run(*records: Record, letters: dict[str, str] | None = None, parked: tuple[str, ...] = ()) -> Comparison:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    databases: Any = SimpleNamespace(regions=REGIONS)
    return await shadow(stream(), HANDLER, databases, BOOK, letters or {}, parked)


async def test_a_first_event_that_is_not_recorded_is_told_once() -> None:
    found = await run(change(1, REQUEST.request_id), change(2, REQUEST.request_id))
    assert (found.records, found.requests, found.differences) == (2, 1, 1)
    assert (found.steps[0].seq_num, found.steps[0].recorded) == (1, "nothing")
    assert found.as_dict()["verdict"] == "difference"


async def test_a_record_that_is_set_aside_has_no_effect_to_miss() -> None:
    assert (await run(change(1, REQUEST.request_id), parked=(named(1),))).differences == 0
    found = await run(change(1, REQUEST.request_id), letters={named(1): "processing_failed"})
    assert (found.differences, found.not_comparable) == (0, 1)


async def test_our_own_echoes_touch_nothing() -> None:
    found = await run(change(1, REQUEST.request_id, request_status_id=Status.COMPLETE.value))
    assert (found.records, found.requests, found.as_dict()["verdict"]) == (1, 0, "no difference")


async def test_a_dead_letter_that_would_be_one_again_is_the_same() -> None:
    found = await run(rubbish(1), letters={named(1): "not_json"})
    assert (found.same, found.differences) == (1, 0)
    found = await run(change(2, ABSENT), letters={named(2): "request_not_found"})
    assert (found.same, found.differences) == (1, 0)


async def test_dead_letters_that_differ_are_told() -> None:
    found = await run(rubbish(1), rubbish(2), letters={named(2): "not_utf8"})
    assert found.letters == [
        LetterDifference(named(1), "", "not_json"),
        LetterDifference(named(2), "not_utf8", "not_json"),
    ]
    there, status = change(3, REQUEST.request_id, REQUEST_STATUS.name), named(3, REQUEST_STATUS.name)
    found = await run(there, letters={status: "request_not_found"})
    assert found.letters == [LetterDifference(status, "request_not_found", "")]
