"""How many server connections a PgBouncer needs, and how many connections a client's pool."""

from __future__ import annotations

import random
from collections.abc import Mapping

from benchmarks.picture import Lines
from benchmarks.regions.experiment import Cell, Experiment, Results, Section, Size
from benchmarks.regions.figures import ENOUGH, Figures, knee
from benchmarks.regions.load import closed_loop, run
from benchmarks.regions.place import REGION, Place, opened
from benchmarks.regions.work import move
from streams_app.systems.requests.store import RequestKey, Store

SIZES = (1, 2, 4, 8, 16, 32, 64)
CLIENTS = 64
# The size of the other pool while one is varied; the server's is that of config/pgbouncer.
OF_POOLER, OF_CLIENT = 16, CLIENTS
REQUESTS, BATCH = 5000, 10
SIDES = ("server", "client")


class PoolSize(Experiment):
    """Throughput and waiting over the size of either pool."""

    name = "pool-size"

    def cells(self, size: Size) -> list[Cell]:
        """Which pool, and its size."""
        return [(side, number) for side in SIDES for number in size.some(SIZES)]

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Steps by CLIENTS tasks through pools of that size."""
        side, number = cell
        pooler, client = (number, OF_CLIENT) if side == "server" else (OF_POOLER, number)
        place.tune_pooler(default_pool_size=str(pooler))
        keys = place.fill(REQUESTS)
        return run(_measure(place, keys, int(client), size))

    def section(self, results: Results, size: Size) -> Section:
        """Curves and their knees."""
        sizes = size.some(SIZES)
        rates = {side: {number: results[side, number]["rate"] for number in sizes} for side in SIDES}
        found = {side: knee(rates[side]) for side in SIDES}
        return Section(
            title="Pool size",
            done=(
                f"{CLIENTS} clients in one process each take {BATCH} requests one step further, again and again: load, "
                f"decide, apply. Once PgBouncer's default_pool_size varies, with {OF_CLIENT} client connections; once "
                f"the client's pool varies, with default_pool_size {OF_POOLER}. The rule: the knee is the smallest "
                f"size with at least {ENOUGH:.0%} of the best throughput."
            ),
            shows=_shows(results, sizes, found),
            advice=_advice(found),
            columns=("pool", "connections", "steps/s", "p50 ms", "p99 ms", "client CPU %", ""),
            rows=[_row(results[side, number], side, number, found[side]) for side in SIDES for number in sizes],
            charts={"": Lines([str(n) for n in sizes], _curves(rates, sizes), "connections", "steps/s")},
        )


async def _measure(place: Place, keys: list[RequestKey], pool: int, size: Size) -> Figures:
    own = [keys[number::CLIENTS] for number in range(CLIENTS)]
    rngs = [random.Random(f"{size.seed}-{number}") for number in range(CLIENTS)]  # noqa: S311

    async with opened(place.settings(pool)) as databases:
        store = Store(databases)

        async def unit(number: int) -> int:
            return (await move(store, REGION, rngs[number].sample(own[number], BATCH))).steps

        return (await closed_loop(unit, CLIENTS, size.window)).figures()


def _curves(rates: Mapping[str, Mapping[int, float]], sizes: list[int]) -> dict[str, list[float]]:
    names = {"server": "default_pool_size of PgBouncer", "client": "the client's pool"}
    return {names[side]: [rates[side][number] for number in sizes] for side in SIDES}


def _row(figures: Figures, side: str, number: int, found: int) -> tuple[str, ...]:
    name = "PgBouncer" if side == "server" else "client"
    return (
        name,
        str(number),
        f"{figures['rate']:,.0f}",
        f"{figures['p50']:,.1f}",
        f"{figures['p99']:,.1f}",
        f"{figures['client']:.0f}",
        "knee" if number == found else "",
    )


def _shows(results: Results, sizes: list[int], found: Mapping[str, int]) -> str:
    words = []
    for side, name in (("server", "PgBouncer's pool"), ("client", "The client's pool")):
        best = results[side, found[side]]
        one, most = results[side, sizes[0]], results[side, sizes[-1]]
        words.append(
            f"{name}: the knee is at {found[side]}, with {best['rate'] / one['rate']:.2f} times the throughput of one "
            f"connection; at {sizes[-1]} it is {most['rate'] / best['rate']:.2f} of the knee's, and the p99 "
            f"{most['p99'] / best['p99']:.2f} of it."
        )
    share = max(one["client"] for one in results.values())
    words.append(
        f"The client took up to {share:.0f} % of a processor: "
        + ("it was the limit of the flat part." if share > 85 else "it was not the limit by itself.")
    )
    return " ".join(words)


def _advice(found: Mapping[str, int]) -> str:
    server, client = found["server"], found["client"]
    enough = "the default of 16 is enough" if server <= 16 else "the default of 16 is too small for one such machine"
    pool = (
        "the default pool_max of 8 for each worker and region is enough"
        if client <= 8
        else "the default pool_max of 8 is for one of several workers, of which each has at most two batches in flight"
    )
    return (
        f"default_pool_size {max(server, 16)}: the knee is at {server}, so {enough}, and more would only move the "
        f"queue from the pooler into the database. The client's knee is at {client}; {pool}. A server with more "
        "processors or a slower disk has its knee further right: run this there before changing either."
    )
