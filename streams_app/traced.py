"""How the trace store is wired into a worker: what ingests, what keeps figures and months up to date, what answers."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson

from streams_app.background import named, repeating
from streams_app.databases import Databases
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetterSink
from streams_app.errors import SettingsError, StartError
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.parking import TopicParkingLot
from streams_app.settings import Settings
from streams_app.systems.trace_store.agents import SYSTEM, TraceHandler
from streams_app.systems.trace_store.months import ensure_months
from streams_app.systems.trace_store.store import TraceWriter
from streams_app.systems.trace_store.tracer import CodegenEventTracer
from streams_app.systems.trace_store.web import PAGES, Asked, Page, answer
from streams_app.topics import TRACE_TOPICS, parked_traces_topic

# Seconds between looks at the months ahead, in every region.
MONTHS_INTERVAL = 3600.0
# Seconds in which a connection of the pages is taken to live: whoever looks at them can ask again.
TRUSTED = 1.0


def add_trace_store(app: StreamsApp, settings: Settings, databases: Databases, letters: DeadLetterSink) -> None:
    """Declare the agents that store the events of code generation, and what keeps the store in order."""
    writer = TraceWriter(databases)

    handler = TraceHandler(writer, databases, settings.trace_store)
    topics = {name: parked_traces_topic(name) for name in settings.regions}
    # Events have no order among them: a backlog at a worker's start need not go through the parking lot.
    parking = TopicParkingLot(app, topics, databases.is_down, in_order=False)
    processors = [BatchProcessor(handler, NoVersions(), letters, parking) for _ in range(settings.lanes)]
    app.batch_agent(SYSTEM, TRACE_TOPICS, processors, settings)
    parking.drain_into(lambda: BatchProcessor(handler, NoVersions(), letters), settings)
    for region in databases.regions.names:
        months = named("months", partial(ensure_months, databases, region, settings.trace_store))
        figures = named("session figures", partial(writer.refresh, region))
        app.task(repeating(app, months, region, MONTHS_INTERVAL))
        app.task(repeating(app, figures, region, settings.trace_store.refresh_interval))


def add_trace_pages(app: StreamsApp, settings: Settings) -> None:
    """Put /traces/… on the worker's web server, with connections of their own: whoever looks at traces must not wait
    for the ingest, nor the ingest for them."""
    trace, database = settings.trace_store, settings.database
    sizes = {"pool_min": trace.pool_min, "pool_max": trace.pool_max}
    own = settings.model_copy(update={"database": database.model_copy(update=sizes)})
    databases = Databases(own, trusted=TRUSTED)
    tracer = CodegenEventTracer(databases)
    token: str | None = None

    async def start() -> None:
        nonlocal token
        try:
            token = trace.secret()
        except SettingsError as error:
            raise StartError(str(error)) from None
        await databases.open()

    def add(pattern: str, page: Page) -> None:
        async def show(web: Any, request: Any, **path: str) -> Any:
            found = await answer(page, tracer, token, Asked(path, request.query, request.headers.get("Authorization")))
            body = await asyncio.to_thread(orjson.dumps, found.data)
            headers = {"WWW-Authenticate": "Bearer"} if found.status == HTTPStatus.UNAUTHORIZED else None
            return web.bytes(body, content_type="application/json", status=found.status, headers=headers)

        app.page(pattern, name=f"traces: {pattern}")(show)

    for pattern, page in PAGES.items():
        add(pattern, page)
    app.before_start.append(start)
    app.after_stop.append(databases.close)
