"""One central pooler against a pooler in every region, over the distance between the regions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from random import Random

from benchmarks.picture import Lines
from benchmarks.regions.experiment import Cell, Experiment, Results, Section, Size
from benchmarks.regions.figures import Figures, Measured
from benchmarks.regions.load import closed_loop, run
from benchmarks.regions.network import CENTRALIZED, CENTRE, REGIONAL, Network
from benchmarks.regions.place import Place, opened
from benchmarks.regions.work import move
from deploy.local import REGIONS
from streams_app.systems.requests.store import RequestKey, Store

ROUTINGS = (REGIONAL, CENTRALIZED)
# Milliseconds of a round trip between two regions: one machine, neighbours, across a country.
ROUND_TRIPS = (0, 10, 30, 60)
# Share of the steps of a client whose request lives in another region.
SHARES = (0.0, 0.1)
REQUESTS, BATCH, TASKS = 3000, 10, 4


class Pooling(Experiment):
    """Throughput and waiting by routing."""

    name = "pooling"
    _network: Network

    def cells(self, size: Size) -> list[Cell]:
        """Share of foreign work, round trip in milliseconds, routing."""
        shares, trips = (SHARES[1:], (0, 30)) if size.quick else (SHARES, ROUND_TRIPS)
        return [(share, trip, routing) for share in shares for trip in trips for routing in ROUTINGS]

    @contextmanager
    def prepared(self, place: Place) -> Iterator[None]:
        """The links between the regions."""
        place.tune_server()
        place.tune_pooler()
        with Network(place) as self._network:
            yield

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Steps of three clients, one in each region."""
        share, trip, routing = float(cell[0]), float(cell[1]), str(cell[2])
        keys = {region: place.fill(REQUESTS, region) for region in REGIONS}
        self._network.set_round_trip(trip / 1000)
        measured = run(_measure(self._network, keys, routing, share, size))
        outside = [one for region, one in measured.items() if region != CENTRE]
        everybody = _together([*outside, measured[CENTRE]]).figures()
        centre = measured[CENTRE].figures()
        return {**_together(outside).figures(), "all": everybody["rate"], "centre": centre["p50"]}

    def section(self, results: Results, size: Size) -> Section:
        """Both routings side by side."""
        shares = sorted({float(cell[0]) for cell in results})
        trips = sorted({int(cell[1]) for cell in results})
        cells = [(share, trip) for share in shares for trip in trips]
        return Section(
            title="Centralized and region-aware pooling",
            done=(
                f"A client in each of three regions, with {TASKS} tasks, takes {BATCH} requests at a time one step "
                f'further, through the application\'s settings routing = "regional" and "centralized" (the centre is '
                f"{CENTRE}). Delays are round trips: a link between two different regions takes half of it either way, "
                "those within a region take none, and every way has two links (client to pooler, pooler to database). "
                "Foreign work is the share of batches whose requests live in another region than the client. The ratio "
                "is of the throughput of the two clients outside the centre: its own only gains what they leave."
            ),
            shows=_shows(results, shares, trips),
            advice=_advice(results, shares, trips),
            columns=(
                "foreign",
                "round trip",
                "routing",
                "steps/s in all",
                "outside the centre",
                "p50 ms there",
                "p99 ms there",
                "p50 ms in centre",
                "regional:centralized",
            ),
            rows=[_row(results, (*cell, routing)) for cell in cells for routing in ROUTINGS],
            charts={
                "": Lines(
                    [f"{trip} ms" for trip in trips],
                    {
                        f"{routing}, {share:.0%} foreign": [results[share, trip, routing]["rate"] for trip in trips]
                        for routing in ROUTINGS
                        for share in shares
                    },
                    "round trip between regions",
                    "steps/s of the two clients outside the centre, logarithmic",
                    log=True,
                )
            },
        )


async def _measure(
    network: Network, keys: Mapping[str, list[RequestKey]], routing: str, share: float, size: Size
) -> dict[str, Measured]:
    """By client, what it did; the processor time is that of all together."""
    async with AsyncExitStack() as stack:
        stores = {}
        for region in REGIONS:
            settings = network.settings(region, routing, TASKS)
            stores[region] = Store(await stack.enter_async_context(opened(settings)))
        clients = [_client(stores[home], home, keys, share, size) for home in REGIONS]
        return dict(zip(REGIONS, await asyncio.gather(*clients), strict=True))


async def _client(store: Store, home: str, keys: Mapping[str, list[RequestKey]], share: float, size: Size) -> Measured:
    """Work of one client; no two tasks, of whatever client, share a request."""
    lanes = len(REGIONS) * TASKS
    own = list(REGIONS).index(home) * TASKS
    rngs = [Random(f"{size.seed}-{home}-{number}") for number in range(TASKS)]  # noqa: S311
    foreign = [region for region in REGIONS if region != home]

    async def unit(number: int) -> int:
        rng = rngs[number]
        region = rng.choice(foreign) if rng.random() < share else home
        return (await move(store, region, rng.sample(keys[region][own + number :: lanes], BATCH))).steps

    return await closed_loop(unit, TASKS, size.window)


def _ratio(results: Results, share: float, trip: int, figure: str = "rate") -> float:
    return results[share, trip, REGIONAL][figure] / results[share, trip, CENTRALIZED][figure]


def _row(results: Results, cell: tuple[float, int, str]) -> tuple[str, ...]:
    share, trip, routing = cell
    figures = results[cell]
    return (
        f"{share:.0%}",
        f"{trip} ms",
        routing,
        f"{figures['all']:,.0f}",
        f"{figures['rate']:,.0f}",
        f"{figures['p50']:,.1f}",
        f"{figures['p99']:,.1f}",
        f"{figures['centre']:,.1f}",
        f"{_ratio(results, share, trip):.2f}" if routing == REGIONAL else "",
    )


def _shows(results: Results, shares: list[float], trips: list[int]) -> str:
    words = []
    for share in shares:
        ratios = ", ".join(f"{_ratio(results, share, trip):.2f} at {trip} ms" for trip in trips)
        words.append(
            f"With {share:.0%} foreign work a regional pooler makes {ratios} times the steps of a central one."
        )
    share, trip = shares[0], trips[-1]
    regional, central = (results[share, trip, routing] for routing in ROUTINGS)
    words.append(
        f"At {trip} ms and {share:.0%} foreign work a batch of a client outside the centre takes "
        f"{regional['p50']:,.0f} ms (median) against {central['p50']:,.0f} ms: it pays twice, on its way to the pooler "
        "and from there back to the database of its own region, for each of the round trips of a transaction; that "
        f"makes {central['p50'] / (2 * trip):.1f} of them, the one that checks a pooled connection included. All "
        f"clients together make {_ratio(results, share, trip, 'all'):.2f} times the steps, because the centre's own "
        "takes the processors that the others leave."
    )
    return " ".join(words)


def _advice(results: Results, shares: list[float], trips: list[int]) -> str:
    near = _ratio(results, shares[0], trips[0])
    return (
        'routing = "regional", the default: a transaction goes to one region, and a pooler beside its database never '
        f"adds a detour. Without distance there is little to choose (here {near:.2f}), so a central pooler is for "
        "regions that are one data centre, or where the number of server connections must be bounded at one "
        "place. It is also one place whose loss stops all regions, which this experiment does not measure."
    )


def _together(clients: list[Measured]) -> Measured:
    """Several clients as one; their processor time is that of one process anyway."""
    durations = [seconds for one in clients for seconds in one.durations]
    return Measured(sum(one.done for one in clients), clients[0].seconds, durations, clients[0].processor)
