"""The worker's pages of traces over HTTP, on real databases: the token, paging, and a region that goes down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from streams_app.databases import Databases
from streams_app.kafka.app import create_faust_app
from streams_app.settings import Settings
from streams_app.traced import add_trace_pages

from .trace_rows import EAST, WEST, new, session_in, store

pytestmark = pytest.mark.stack
TOKEN = {"Authorization": "Bearer s3cret"}


async def served(settings: Settings, **trace: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """The pages, as a worker with these settings serves them."""
    changed = settings.model_copy(update={"trace_store": settings.trace_store.model_copy(update=trace)})
    app = create_faust_app(changed)
    add_trace_pages(app, changed)
    for start in app.before_start:
        await start()
    async with TestClient(TestServer(app.web.web_app)) as client:
        yield client
    for stop in app.after_stop:
        await stop()


@pytest.fixture
async def client(fresh_settings: Settings) -> AsyncIterator[TestClient[Any, Any]]:
    async for made in served(fresh_settings, token=SecretStr("s3cret"), pool_min=0):
        yield made


async def get(client: TestClient[Any, Any], path: str, **query: str) -> tuple[int, Any]:
    async with client.get(path, params=query, headers=TOKEN) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_the_pages(fresh_databases: Databases, client: TestClient[Any, Any]) -> None:
    session = session_in(fresh_databases, EAST)
    exchange = session_in(fresh_databases, WEST)
    payload = f'{{"key": "{session}"}}'
    await store(
        fresh_databases,
        [
            new(session, 60, "request", exchange, payload=payload),
            new(session, 58, "response", exchange, processing_time_ms=2000),
        ],
    )
    status, page = await get(client, f"/traces/sessions/{session}/", limit="1", hours="2")
    assert (status, page["total"], [event["event_type"] for event in page["page"]["events"]]) == (200, 2, ["request"])
    status, page = await get(client, f"/traces/sessions/{session}/", after=page["page"]["next"])
    assert [event["event_type"] for event in page["page"]["events"]] == ["response"]
    status, found = await get(client, f"/traces/sessions/{session}/metrics/")
    assert (status, found["latency"]["p50"], found["success_rate"]) == (200, 2000, 1.0)
    status, found = await get(client, f"/traces/correlations/{exchange}/")
    assert (status, found["exchanges"][0]["elapsed_ms"]) == (200, pytest.approx(2000, abs=100))
    status, found = await get(client, "/traces/search/", payload=payload)
    assert (status, [event["session_id"] for event in found["events"]]) == (200, [str(session)])
    status, found = await get(client, "/traces/slow-topics/")
    assert (status, found["topics"][0]["topic"]) == (200, "omninode_codegen_response_analyze_v1")
    status, found = await get(client, "/traces/sessions/")
    assert (status, str(session) in {row["session_id"] for row in found["sessions"]}) == (200, True)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/traces/sessions/x/", {}, 400),
        ("/traces/sessions/", {"limit": "0"}, 400),
        ("/traces/sessions/", {"after": "x"}, 400),
        ("/traces/search/", {}, 400),
        ("/traces/search/", {"payload": '{"a": "\\u0000"}'}, 400),
        ("/traces/sessions/00000000-0000-0000-0000-00000000002a/", {}, 404),
        ("/traces/sessions/00000000-0000-0000-0000-00000000002a/metrics/", {}, 404),
        ("/traces/correlations/00000000-0000-0000-0000-00000000002a/", {}, 404),
    ],
)
async def test_refusals(client: TestClient[Any, Any], path: str, query: dict[str, str], status: int) -> None:
    found, data = await get(client, path, **query)
    assert found == status
    assert list(data) == ["error"]


async def test_a_token_is_asked_for(client: TestClient[Any, Any]) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with client.get("/traces/sessions/", headers=headers) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_without_a_token_the_pages_are_closed(fresh_settings: Settings) -> None:
    async for client in served(fresh_settings, pool_min=0):
        status, data = await get(client, "/traces/sessions/")
        assert (status, "trace_store.token" in data["error"]) == (403, True)


async def test_a_region_that_is_down_is_503(fresh_settings: Settings, fresh_databases: Databases) -> None:
    west = fresh_settings.regions[WEST].model_copy(update={"pooler": "127.0.0.1:1"})
    database = fresh_settings.database.model_copy(update={"pool_timeout": 0.5})
    broken = fresh_settings.model_copy(update={"regions": {**fresh_settings.regions, WEST: west}, "database": database})
    session = session_in(fresh_databases, EAST)
    await store(fresh_databases, [new(session)])
    async for client in served(broken, token=SecretStr("s3cret"), pool_min=0):
        status, data = await get(client, "/traces/sessions/")
        assert (status, "does not answer" in data["error"]) == (503, True)
        assert "127.0.0.1" not in data["error"]
        assert (await get(client, f"/traces/sessions/{session}/"))[0] == 200
