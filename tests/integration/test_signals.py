"""Signals on real databases: idempotent, found in any region, refused with the state that they came too late for."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from streams_app.databases import Databases
from streams_app.systems.requests.model import RequestType, SignalKind
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.signals import (
    Outgoing,
    RequestEndedError,
    SignalState,
    UnknownRequestError,
    find_locality,
    send_signal,
    send_signals,
    signal_id_of,
)
from streams_app.systems.requests.store import RequestKey, Store
from streams_app.systems.requests.stories import Filter, newest, story
from streams_app.systems.requests.workflow import WorkflowBook

from .data import insert_account, insert_request

pytestmark = pytest.mark.stack


async def advanced(databases: Databases, book: WorkflowBook, key: RequestKey, steps: int = 1) -> None:
    orchestrator = Orchestrator(Store(databases), databases.regions, book)
    for _ in range(steps):
        await orchestrator.advance([key])


async def permission_request(databases: Databases) -> RequestKey:
    return await insert_request(databases, type_id=RequestType.ACCOUNT_PERMISSION_CHANGE, details={"grant": ["TRADE"]})


async def test_the_same_thing_said_twice_is_one_row(fresh_databases: Databases, book: WorkflowBook) -> None:
    key = await permission_request(fresh_databases)
    results = [await send_signal(fresh_databases, key.request_id, SignalKind.APPROVE, actor=a) for a in ("x", "y")]
    assert [result.state for result in results] == [SignalState.SENT, SignalState.ALREADY_THERE]
    many = await asyncio.gather(
        *(send_signal(fresh_databases, key.request_id, SignalKind.DOCUMENTS, actor="x") for _ in range(8))
    )
    assert sorted(result.state for result in many) == [*[SignalState.ALREADY_THERE] * 7, SignalState.SENT]
    told = await story(fresh_databases, key.request_id)
    assert sorted((signal["kind"], signal["actor"]) for signal in told.signals) == [
        ("approve", "x"),
        ("documents", "x"),
    ]


async def test_a_signal_moves_its_request_and_late_ones_are_refused(
    fresh_databases: Databases, book: WorkflowBook
) -> None:
    key = await permission_request(fresh_databases)
    await send_signal(fresh_databases, key.request_id, SignalKind.APPROVE, actor="boss", locality=key.locality)
    await advanced(fresh_databases, book, key, steps=8)
    # Said again after the end, it is still the same thing; something new is too late.
    again = await send_signal(fresh_databases, key.request_id, SignalKind.APPROVE, actor="boss")
    assert again.state is SignalState.ALREADY_THERE
    with pytest.raises(RequestEndedError, match="COMPLETE, COMPLETED"):
        await send_signal(fresh_databases, key.request_id, SignalKind.CANCEL, actor="client")
    told = await story(fresh_databases, key.request_id)
    assert told.request["status_code"] == "COMPLETE"
    assert [event["outcome"] for event in told.events] == [None, "valid", "approve", "updated", "notified"]
    assert told.events[2]["actor"] == "boss"
    assert told.events[0]["seconds_after"] is None
    assert all(event["seconds_after"] >= 0 for event in told.events[1:])
    assert [signal["applied_by"] for signal in told.signals] == [3]


async def test_a_request_that_nobody_has(fresh_databases: Databases) -> None:
    with pytest.raises(UnknownRequestError):
        await send_signal(fresh_databases, uuid4(), SignalKind.APPROVE, actor="x")
    with pytest.raises(UnknownRequestError):
        await send_signal(fresh_databases, uuid4(), SignalKind.APPROVE, actor="x", locality=3)
    with pytest.raises(UnknownRequestError):
        await story(fresh_databases, uuid4())


async def test_every_region_is_asked(fresh_databases: Databases) -> None:
    keys = [await permission_request(fresh_databases) for _ in range(12)]
    assert len({fresh_databases.regions.of(key.locality) for key in keys}) > 1
    assert [await find_locality(fresh_databases, key.request_id) for key in keys] == [key.locality for key in keys]


async def test_many_at_once(fresh_databases: Databases, book: WorkflowBook) -> None:
    account_id = await insert_account(fresh_databases)
    keys = [await insert_request(fresh_databases, account_id) for _ in range(4)]
    ended, open_, twice, other = keys
    await send_signal(fresh_databases, ended.request_id, SignalKind.CANCEL, actor="x")
    await advanced(fresh_databases, book, ended, steps=3)
    await send_signal(fresh_databases, twice.request_id, SignalKind.REJECT, actor="x")
    unknown = RequestKey(open_.locality, uuid4())
    results = await send_signals(
        fresh_databases,
        fresh_databases.regions.of(open_.locality),
        [
            Outgoing(k.request_id, k.locality, SignalKind.REJECT, "x", signal_id_of(k.request_id, SignalKind.REJECT))
            for k in (ended, open_, twice, unknown)
        ],
    )
    assert {result.request_id: result.state for result in results} == {
        ended.request_id: SignalState.REQUEST_ENDED,
        open_.request_id: SignalState.SENT,
        twice.request_id: SignalState.ALREADY_THERE,
        unknown.request_id: SignalState.REQUEST_UNKNOWN,
    }
    assert not (await story(fresh_databases, other.request_id)).signals


async def test_lists_of_requests(fresh_databases: Databases, book: WorkflowBook) -> None:
    keys = [await permission_request(fresh_databases) for _ in range(6)]
    for key in keys[:3]:
        await advanced(fresh_databases, book, key, steps=2)
    regions = fresh_databases.regions.names
    waiting = await newest(fresh_databases, regions, Filter(state="PENDING_APPROVAL", limit=3))
    assert [row["request_id"] for row in waiting] == [key.request_id for key in reversed(keys[:3])]
    assert all(row["region"] in regions and row["status_code"] == "IN_PROGRESS" for row in waiting)
    pending = await newest(
        fresh_databases, regions, Filter(type="ACCOUNT_PERMISSION_CHANGE", status="PENDING", limit=3)
    )
    assert [row["request_id"] for row in pending] == [key.request_id for key in reversed(keys[3:])]
    assert pending[0]["state_code"] is None
    assert await newest(fresh_databases, regions, Filter(status="COMPLETE", state="RECEIVED")) == []
