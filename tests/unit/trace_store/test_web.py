"""The pages: who may see them, what they ask the tracer, and how they refuse."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from psycopg_pool import PoolTimeout

from streams_app.errors import RegionUnavailableError
from streams_app.systems.trace_store.model import CorrelationTrace, Exchange, Page, SessionPage, SessionTrace
from streams_app.systems.trace_store.web import PAGES, Answer, Asked, answer

from .made import SESSION, event

TOKEN = "s3cret"
SESSIONS, SEARCH, TOPICS = "/traces/sessions/", "/traces/search/", "/traces/slow-topics/"
ONE, METRICS, CHAIN = (
    "/traces/sessions/{session_id}/",
    "/traces/sessions/{session_id}/metrics/",
    "/traces/correlations/{correlation_id}/",
)


class FakeTracer:
    """Notes what it is asked; answers with what it is given, or raises it."""

    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def ask(*arguments: Any) -> Any:
            self.asked.append((name, *arguments))
            if isinstance(self.result, Exception):
                raise self.result
            return self.result

        return ask


async def get(
    page: str,
    tracer: Any = None,
    query: dict[str, str] | None = None,
    authorization: str | None = f"Bearer {TOKEN}",
    token: str | None = TOKEN,
    row_id: str = str(SESSION),
) -> Answer:
    path = {"session_id": row_id} if "session_id" in page else {"correlation_id": row_id}
    return await answer(PAGES[page], tracer or FakeTracer(), token, Asked(path, query or {}, authorization))


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize("page", PAGES)
async def test_without_a_token_set_all_is_closed(page: str, token: str | None) -> None:
    tracer = FakeTracer()
    for authorization in (None, "Bearer ", "Bearer None"):
        found = await get(page, tracer, authorization=authorization, token=token)
        assert found.status == 403
        assert "trace_store.token_file" in found.data["error"]
    assert not tracer.asked


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer x", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \udcff"]
)
@pytest.mark.parametrize("page", PAGES)
async def test_nobody_gets_in_without_the_token(page: str, given: str | None) -> None:
    tracer = FakeTracer()
    found = await get(page, tracer, authorization=given)
    assert found.status == 401
    assert TOKEN not in str(found.data)
    assert not tracer.asked


async def test_the_scheme_may_be_written_in_any_case() -> None:
    assert (await get(SESSIONS, authorization=f"bearer {TOKEN}")).status == 200


@pytest.mark.parametrize(
    ("page", "query", "asked"),
    [
        (SESSIONS, {}, ("sessions", 100, None)),
        (SESSIONS, {"limit": "5", "after": "c"}, ("sessions", 5, "c")),
        (ONE, {}, ("trace_session_events", SESSION, 24, 1000, None)),
        (ONE, {"hours": "48", "limit": "7", "after": "c"}, ("trace_session_events", SESSION, 48, 7, "c")),
        (METRICS, {}, ("get_session_metrics", SESSION)),
        (CHAIN, {}, ("find_correlated_events", SESSION, 5, 1000)),
        (CHAIN, {"hops": "2", "limit": "9"}, ("find_correlated_events", SESSION, 2, 9)),
        (SEARCH, {"payload": '{"a": [1]}'}, ("search", {"a": [1]}, None, None, None, 100, None)),
        (SEARCH, {"metadata": '{"a": 1}', "limit": "3"}, ("search", None, {"a": 1}, None, None, 3, None)),
        (TOPICS, {"limit": "3"}, ("slow_topics", 3)),
    ],
)
async def test_a_page_asks_the_tracer(page: str, query: dict[str, str], asked: tuple[Any, ...]) -> None:
    tracer = FakeTracer(KeyError("enough"))
    with pytest.raises(KeyError):
        await get(page, tracer, query)
    assert tracer.asked == [asked]


async def test_times_have_a_zone_or_are_utc() -> None:
    tracer = FakeTracer(Page([]))
    query = {"payload": '{"a": 1}', "since": "2026-03-01T12:00:00 02:00", "until": "2026-03-02"}
    assert (await get(SEARCH, tracer, query)).status == 200
    since, until = tracer.asked[0][3:5]
    assert (since.isoformat(), until.isoformat()) == ("2026-03-01T12:00:00+02:00", "2026-03-02T00:00:00+00:00")


@pytest.mark.parametrize(
    ("page", "query", "row_id", "words"),
    [
        (SESSIONS, {"limit": "many"}, "", "limit='many': expected a whole number"),
        (SESSIONS, {"limit": "-1"}, "", "expected a whole number"),
        (SESSIONS, {"limit": "9" * 50}, "", "expected a whole number"),
        (SESSIONS, {"page": "2"}, "", "'page' is no parameter of this page: expected limit, after"),
        (METRICS, {"limit": "2"}, str(SESSION), "expected no parameters"),
        (ONE, {}, "42", "'42': expected a UUID"),
        (CHAIN, {}, "x", "'x': expected a UUID"),
        (SEARCH, {"payload": "{"}, "", "payload: "),
        (SEARCH, {"payload": '{"a": 1}', "since": "soon"}, "", "'soon': expected an ISO 8601 time"),
    ],
)
async def test_bad_input_is_refused_with_a_sentence(page: str, query: dict[str, str], row_id: str, words: str) -> None:
    tracer = FakeTracer()
    found = await get(page, tracer, query, row_id=row_id)
    assert found.status == 400
    assert words in found.data["error"]
    assert not tracer.asked


async def test_what_the_tracer_does_not_take_is_bad_input() -> None:
    found = await get(SESSIONS, FakeTracer(ValueError("after='x' is no cursor")))
    assert found == Answer(400, {"error": "after='x' is no cursor"})


@pytest.mark.parametrize(
    ("page", "result"),
    [
        (ONE, SessionTrace(SESSION, "us-east", 0, 0.0, Page([]))),
        (METRICS, None),
        (CHAIN, CorrelationTrace(SESSION)),
    ],
)
async def test_what_nobody_knows_is_not_found(page: str, result: Any) -> None:
    found = await get(page, FakeTracer(result))
    assert found.status == 404
    assert str(SESSION) in found.data["error"]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (RegionUnavailableError("us-west"), "region us-west does not answer"),
        (PoolTimeout("host=10.0.0.7 password=x"), "a region does not answer"),
        (TimeoutError(), "a region does not answer"),
        (psycopg.OperationalError("connection to 10.0.0.7 failed"), "a region does not answer"),
    ],
)
async def test_a_region_that_is_down_is_said_without_its_address(failure: Exception, words: str) -> None:
    found = await get(SESSIONS, FakeTracer(failure))
    assert found.status == 503
    assert words in found.data["error"]
    assert "10.0.0.7" not in found.data["error"]


async def test_a_fault_is_no_outage() -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        await get(SESSIONS, FakeTracer(psycopg.errors.SyntaxError("x")))


async def test_answers_can_be_written_as_json() -> None:
    part = [event(0, payload={"a": 1}), event(5, "response")]
    trace = SessionTrace(SESSION, "us-east", 2, 5.0, Page(part, "next"))
    written = orjson.loads(orjson.dumps((await get(ONE, FakeTracer(trace))).data))
    assert (written["total"], written["page"]["next"]) == (2, "next")
    assert written["page"]["events"][0]["payload"] == {"a": 1}
    assert written["page"]["events"][0]["timestamp"] == "2026-03-01T12:00:00+00:00"
    chain = CorrelationTrace(SESSION, [Exchange(UUID(int=1), None, 0, part)])
    written = orjson.loads(orjson.dumps((await get(CHAIN, FakeTracer(chain))).data))
    assert written["exchanges"][0]["elapsed_ms"] == 5
    assert written["exchanges"][0]["events"][1]["event_type"] == "response"
    assert orjson.loads(orjson.dumps((await get(SESSIONS, FakeTracer(SessionPage([])))).data)) == {
        "sessions": [],
        "next": None,
    }
