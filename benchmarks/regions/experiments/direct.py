"""Connections straight to PostgreSQL against connections through PgBouncer, kept or made anew for each use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg

from benchmarks.picture import Lines
from benchmarks.regions.experiment import Cell, Experiment, Results, Section, Size
from benchmarks.regions.figures import Figures
from benchmarks.regions.load import Window, closed_loop, run
from benchmarks.regions.memory import proportional_bytes
from benchmarks.regions.place import REGION, Place, opened
from benchmarks.regions.work import Lonely, move
from deploy.local.parts.postgres import SETTINGS
from deploy.local.processes import working_in
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.store import RequestKey, Store

CLIENTS = (8, 64, 512)
REQUESTS, BATCH = 5000, 1
WAYS = ("direct", "PgBouncer")
FORMS = ("kept", "anew")
# What 512 clients need; with the local stack's own limits the experiment shows where clients are refused.
LIMIT = 600
MEGABYTE = 2**20
# Clients that connect anew and are seen some times in a window; more take a longer one.
CLIENTS_A_WINDOW = 128
# A step of that client with those requests; returns how many were made.
Step = Callable[[int, list[RequestKey]], Awaitable[int]]


class Direct(Experiment):
    """Many clients, with and without a pooler."""

    name = "direct"

    def cells(self, size: Size) -> list[Cell]:
        """How connections are used, the way, and how many clients; and, for each way, how many it lets in."""
        clients = CLIENTS[:1] if size.quick else CLIENTS
        used: list[Cell] = [(form, way, number) for form in FORMS for way in WAYS for number in clients]
        return [*used, *(("refused", way, CLIENTS[-1]) for way in WAYS)]

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Steps by so many clients; or how many are let in with the limits of the local stack."""
        form, way, clients = str(cell[0]), str(cell[1]), int(cell[2])
        limited = form == "refused"
        place.tune_server(**({} if limited else {"max_connections": str(LIMIT)}))
        place.tune_pooler(**({} if limited else {"max_client_conn": str(LIMIT)}))
        address = place.stack.servers[REGION].address if way == "direct" else None
        settings = place.settings(clients, address)
        if limited:
            return run(_let_in(settings, clients))
        keys = place.fill(REQUESTS)
        return run(_measure(place, settings, keys, form, size))

    def section(self, results: Results, size: Size) -> Section:
        """Both ways side by side."""
        numbers = sorted({int(clients) for form, _, clients in results if form in FORMS})
        cells = [(form, way, number) for form in FORMS for number in numbers for way in WAYS]
        return Section(
            title="Direct connections and PgBouncer",
            done=(
                f"8, 64 and 512 clients take one request one step further, again and again, straight to PostgreSQL and "
                f"through PgBouncer (default_pool_size 16). Once every client keeps its connection; once it connects "
                f"anew for each step. Limits are raised to {LIMIT} for that; with those of the local "
                "stack it is counted how many clients are let in. Memory is what the server's processes take together, "
                "shared pages by their share, beside the load."
            ),
            shows=_shows(results, numbers),
            advice=_advice(results, numbers),
            columns=("connections", "way", "clients", "steps/s", "p50 ms", "p99 ms", "server MB", "client CPU %"),
            rows=[_row(results[cell], cell) for cell in cells],
            charts={
                "": Lines(
                    [str(number) for number in numbers],
                    {
                        f"{way}, {form}": [results[form, way, number]["rate"] for number in numbers]
                        for form in FORMS
                        for way in WAYS
                    },
                    "clients",
                    "steps/s, logarithmic",
                    log=True,
                )
            },
        )


async def _measure(place: Place, settings: Settings, keys: list[RequestKey], form: str, size: Size) -> Figures:
    clients = settings.database.pool_max
    own = [keys[number::clients] for number in range(clients)]
    rngs = [random.Random(f"{size.seed}-{number}") for number in range(clients)]  # noqa: S311
    longer = max(1.0, clients / CLIENTS_A_WINDOW) if form == "anew" else 1.0
    window = Window(longer * size.window.warm, longer * size.window.seconds)
    async with AsyncExitStack() as stack:
        step = await stack.enter_async_context(_kept(settings)) if form == "kept" else _anew(settings)

        async def unit(number: int) -> int:
            return await step(number, rngs[number].sample(own[number], BATCH))

        server = place.stack.servers[REGION]
        memory = asyncio.create_task(_memory(server.data, window.warm + window.seconds / 2))
        measured = await closed_loop(unit, clients, window)
        return {**measured.figures(), "memory": await memory / MEGABYTE}


@asynccontextmanager
async def _kept(settings: Settings) -> AsyncIterator[Step]:
    """Steps through a pool with a connection for every client."""
    async with opened(settings) as databases:
        store = Store(databases)

        async def step(_client: int, keys: list[RequestKey]) -> int:
            return (await move(store, REGION, keys)).steps

        yield step


def _anew(settings: Settings) -> Step:
    """Steps of clients who connect for each."""
    clients = [Lonely(settings, REGION) for _ in range(settings.database.pool_max)]
    stores = [Store(client) for client in clients]

    async def step(client: int, keys: list[RequestKey]) -> int:
        async with clients[client].connected():
            return (await move(stores[client], REGION, keys)).steps

    return step


async def _memory(folder: Any, after: float) -> float:
    await asyncio.sleep(after)
    return sum(proportional_bytes(pid) for pid in await asyncio.to_thread(working_in, folder))


async def _let_in(settings: Settings, clients: int) -> Figures:
    """How many clients are let in before one is refused, 0 for none refused."""
    arguments = connect_arguments(settings.database, settings.regions[REGION].pooler, "app")
    held: list[psycopg.AsyncConnection[Any]] = []
    refused = 0.0
    try:
        for _ in range(clients):
            held.append(await psycopg.AsyncConnection.connect(**arguments))
    except psycopg.OperationalError:
        refused = 1.0
    finally:
        for connection in held:
            await connection.close()
    return {"let_in": float(len(held)), "refused": refused}


def _row(figures: Figures, cell: Cell) -> tuple[str, ...]:
    form, way, clients = cell
    return (
        "kept" if form == "kept" else "anew each time",
        str(way),
        str(clients),
        f"{figures['rate']:,.0f}",
        f"{figures['p50']:,.1f}",
        f"{figures['p99']:,.1f}",
        f"{figures['memory']:,.0f}",
        f"{figures['client']:.0f}",
    )


def _ratio(results: Results, form: str, number: int, figure: str) -> float:
    return results[form, "PgBouncer", number][figure] / results[form, "direct", number][figure]


def _shows(results: Results, numbers: list[int]) -> str:
    most = numbers[-1]
    words = []
    for way, what in (("direct", f"PostgreSQL (max_connections {SETTINGS['max_connections']})"), ("PgBouncer", "it")):
        found = results["refused", way, CLIENTS[-1]]
        number = f"{found['let_in']:.0f} of {CLIENTS[-1]} clients"
        rest = "refused the next (53300, too many clients)" if way == "direct" else "refused the next"
        words.append(f"{what} let in {number}" + (f" and {rest}." if found["refused"] else "."))
    words[1] = words[1].replace("it let in", "PgBouncer (max_client_conn 400) let in")
    rates = ", ".join(f"{_ratio(results, 'kept', number, 'rate'):.2f} at {number}" for number in numbers)
    again = ", ".join(f"{_ratio(results, 'anew', number, 'rate'):.2f} at {number}" for number in numbers)
    memory = 1 / _ratio(results, "kept", most, "memory")
    cost = {way: results["kept", way, numbers[0]]["rate"] / results["anew", way, numbers[0]]["rate"] for way in WAYS}
    words += [
        f"Throughput through PgBouncer against direct, kept connections: {rates} clients; made anew: {again}.",
        f"With {most} kept connections the server takes {memory:.1f} times the memory when they are direct.",
        f"Connecting anew for each step divides the throughput of direct clients by {cost['direct']:.1f}, of those "
        f"through PgBouncer by {cost['PgBouncer']:.1f} (at {numbers[0]} clients): a login with SCRAM is slow on "
        "purpose, and the client computes its half of it either way.",
    ]
    share = max(results[form, way, n]["client"] for form in FORMS for way in WAYS for n in numbers)
    words.append(f"The load generator took up to {share:.0f} % of one processor: near 100 % it was the limit.")
    return " ".join(words)


def _advice(results: Results, numbers: list[int]) -> str:
    few, most = (_ratio(results, "kept", number, "rate") for number in (numbers[0], numbers[-1]))
    return (
        "Keep connections in a pool of the client's, and reach the database through PgBouncer: as one hop more it "
        f"makes {few:.2f} of the direct throughput for {numbers[0]} clients, and {most:.2f} for {numbers[-1]}; "
        "and it makes the server's connections, with their memory and their limit, independent of the number of "
        "workers, generators and commands. max_client_conn must exceed the workers times pool_max, max_connections the "
        "sum of the pools of all poolers; nobody should connect anew for each transaction."
    )
