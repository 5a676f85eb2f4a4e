"""Many status changes of few heads: what skew costs, and the ways to keep them in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import psycopg

from benchmarks.picture import Lines
from benchmarks.regions.experiment import Cell, Experiment, Results, RunError, Section, Size
from benchmarks.regions.figures import Figures, Zipf
from benchmarks.regions.load import closed_loop, run
from benchmarks.regions.place import REGION, Place, opened
from benchmarks.regions.work import Moved, Within, decide, next_step
from streams_app import metrics
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction, retry_class
from streams_app.settings import Settings
from streams_app.systems.requests.model import Head, Status
from streams_app.systems.requests.store import RequestKey, Store

SQL = Statements(Path(__file__).with_name("contention.sql"))
SKEWS = (0.0, 0.8, 1.0, 1.2)
TABLE, HEADS, WORKERS, BATCH = 20_000, 1000, 8, 20
GUARDED, ORDERED, LOCKED, SERIALIZABLE = "guarded batch", "ordered batch", "row lock", "serializable batch"
# A table so small that the planner joins by hash, and locks rows in an order of its own.
SMALL: Cell = (GUARDED, SKEWS[-1], HEADS)
#: Gives every request of a batch one step.
Way = Callable[[Databases, Sequence[RequestKey]], Awaitable[Moved]]


class Contention(Experiment):
    """Steps a second, refusals and retries over skew, by three ways."""

    name = "contention"

    def cells(self, size: Size) -> list[Cell]:
        """Way, skew and requests in the table."""
        used: list[Cell] = [(way, skew, TABLE) for way in WAYS for skew in (SKEWS[::3] if size.quick else SKEWS)]
        return [*used, SMALL]

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Steps by WORKERS tasks, and the proof. Raises RunError when the rows are not those of the steps counted."""
        way, skew, table = str(cell[0]), float(cell[1]), int(cell[2])
        place.tune_server()
        place.tune_pooler()
        keys = place.fill(table)[:HEADS]
        settings = place.settings(WORKERS)
        if way == SERIALIZABLE:
            database = settings.database.model_copy(update={"isolation": "serializable"})
            settings = settings.model_copy(update={"database": database})
        counted, figures = run(_measure(settings, keys, WAYS[way], Zipf(HEADS, skew), size))
        violations = place.prove().violations(counted)
        if violations:
            raise RunError(f"contention, {way}, skew {skew}: {violations} violations of order in {counted} steps")
        return {**figures, "violations": float(violations)}

    def section(self, results: Results, size: Size) -> Section:
        """The ways side by side."""
        skews = sorted({float(cell[1]) for cell in results})
        cells: list[Cell] = [(way, skew, TABLE) for skew in skews for way in WAYS]
        return Section(
            title="Frequent status updates and skew",
            done=_done(skews[-1]),
            shows=_shows(results, skews),
            advice=_advice(results, skews),
            columns=("way", "skew", "rows", "steps/s", "refused/step", "rolled back/step", "p50 ms", "p99 ms", "wrong"),
            rows=[_row(results[cell], cell) for cell in [*cells, SMALL]],
            charts={
                "": Lines(
                    [f"{skew:g}" for skew in skews],
                    {way: [results[way, skew, TABLE]["rate"] for skew in skews] for way in WAYS},
                    "skew (Zipf's exponent, 0 is even)",
                    "steps/s",
                )
            },
        )


async def _measure(
    settings: Settings, keys: Sequence[RequestKey], way: Way, zipf: Zipf, size: Size
) -> tuple[int, dict[str, float]]:
    """All steps made, and the figures of the window; refusals and retries are those of the whole run."""
    rngs = [Random(f"{size.seed}-{number}") for number in range(WORKERS)]  # noqa: S311
    steps, refused, before = 0, 0, _retries()

    async with opened(settings) as databases:

        async def unit(number: int) -> int:
            nonlocal steps, refused
            moved = await way(databases, [keys[rank] for rank in zipf.different(BATCH, rngs[number])])
            steps += moved.steps
            refused += moved.refused
            return moved.steps

        measured = await closed_loop(unit, WORKERS, size.window)
    return steps, {
        **measured.figures(),
        "refused": refused / steps,
        "retries": (_retries() - before) * (1 if way is locked else BATCH) / steps,
    }


async def guarded(databases: Databases, keys: Sequence[RequestKey]) -> Moved:
    """The application's way: the guard refuses what was moved meanwhile, and only that is decided again."""
    store, pending, refused, rounds = Store(databases), list(keys), 0, 0
    while pending:
        rounds += 1
        try:
            made = await store.apply(REGION, decide(await store.load(REGION, pending)))
        except psycopg.Error as error:
            if (failure := retry_class(error, committing=False)) is None:
                raise
            metrics.RETRIES.labels(REGION, failure).inc()
            continue
        pending = [key for key in pending if key.request_id not in made]
        refused += len(pending)
    return Moved(len(keys), refused, rounds)


async def ordered(databases: Databases, keys: Sequence[RequestKey]) -> Moved:
    """Load and apply in one transaction that first locks all its heads in one order: nothing is refused."""
    arguments = {"localities": [k.locality for k in keys], "request_ids": [k.request_id for k in keys]}

    async def step(connection: Connection) -> None:
        await connection.execute(SQL["lock_in_order"], arguments)
        store = Within(connection).store()
        await store.apply(REGION, decide(await store.load(REGION, keys)))

    await in_transaction(databases, REGION, step)
    return Moved(len(keys), 0, 1)


async def locked(databases: Databases, keys: Sequence[RequestKey]) -> Moved:
    """One request after another, each held by a lock while it is decided."""
    for key in keys:

        async def step(connection: Connection, key: RequestKey = key) -> None:
            arguments = {"locality": key.locality, "request_id": key.request_id}
            row = await (await connection.execute(SQL["lock"], arguments)).fetchone()
            assert row is not None
            head = Head(row[0], Status(row[1]), row[2], row[3])
            await Within(connection).store().apply(REGION, [next_step(key.locality, key.request_id, head)])

        await in_transaction(databases, REGION, step)
    return Moved(len(keys), 0, 1)


async def serializable(databases: Databases, keys: Sequence[RequestKey]) -> Moved:
    """Read and write in one transaction, which the database rolls back when another one came between."""

    async def step(connection: Connection) -> None:
        store = Within(connection).store()
        made = await store.apply(REGION, decide(await store.load(REGION, keys)))
        if len(made) < len(keys):
            raise RunError("a serializable transaction had its own reads refused")

    await in_transaction(databases, REGION, step)
    return Moved(len(keys), 0, 1)


#: By name; the first is the application's.
WAYS: dict[str, Way] = {GUARDED: guarded, ORDERED: ordered, LOCKED: locked, SERIALIZABLE: serializable}


def _retries() -> float:
    """Transactions that this process has made again so far."""
    return sum(
        sample.value
        for family in metrics.RETRIES.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


def _row(figures: Figures, cell: Cell) -> tuple[str, ...]:
    way, skew, table = cell
    return (
        str(way),
        f"{skew:g}",
        f"{table:,}",
        f"{figures['rate']:,.0f}",
        f"{figures['refused']:.3f}",
        f"{figures['retries']:.3f}",
        f"{figures['p50']:,.1f}",
        f"{figures['p99']:,.1f}",
        f"{figures['violations']:.0f}",
    )


def _done(most: float) -> str:
    return (
        f"{WORKERS} workers give steps to {HEADS:,} of {TABLE:,} requests, each time {BATCH} different ones, drawn "
        f"evenly (skew 0) or by Zipf's law: at skew {most:g} one request is {Zipf(HEADS, most).share(0):.0%} of all "
        "draws. Guarded batch, the application's way: Store.load and Store.apply, what the guard refuses is loaded and "
        "decided again. Ordered batch: load and apply in one transaction that locks its heads first, in one order. Row "
        "lock: SELECT FOR UPDATE, one request a transaction. Serializable batch: load and apply in one transaction at "
        "SERIALIZABLE, made again as a whole after SQLSTATE 40001. After each run every log must be contiguous, every "
        "head its last event, and the steps as many as were counted."
    )


def _shows(results: Results, skews: Sequence[float]) -> str:
    even, most = skews[0], skews[-1]
    kept = ", ".join(
        f"{way} {results[way, most, TABLE]['rate'] / results[way, even, TABLE]['rate']:.2f}" for way in WAYS
    )
    against = "; ".join(
        f"the {way} "
        + ", ".join(f"{results[way, s, TABLE]['rate'] / results[GUARDED, s, TABLE]['rate']:.2f}" for s in skews)
        for way in list(WAYS)[1:]
    )
    worst, small = results[GUARDED, most, TABLE], results[SMALL]
    words = (
        f"Throughput at skew {most:g} as a share of the even one: {kept}. Against the guarded batch at skew "
        f"{', '.join(f'{skew:g}' for skew in skews)}: {against}. At skew {most:g} the guard refuses "
        f"{worst['refused']:.2f} decisions for each step made; SERIALIZABLE rolls back "
        f"{results[SERIALIZABLE, most, TABLE]['retries']:.2f} steps for each. In all runs together "
        f"{sum(one['violations'] for one in results.values()):.0f} requests were out of order, lost or doubled."
    )
    if small["retries"]:
        words += (
            f" On a table of only {HEADS:,} requests the planner joins by hash and so locks the heads in an order of "
            "its own: batches that overlap wait in a circle, each deadlock lasts a second, and "
            f"{small['rate']:,.0f} steps/s are left."
        )
    return words


def _advice(results: Results, skews: Sequence[float]) -> str:
    gain = max(results[ORDERED, skew, TABLE]["rate"] / results[GUARDED, skew, TABLE]["rate"] for skew in skews)
    rates = [results[SERIALIZABLE, skew, TABLE]["rate"] / results[GUARDED, skew, TABLE]["rate"] for skew in skews]
    spread = max(results[SERIALIZABLE, s, TABLE]["p99"] / results[SERIALIZABLE, s, TABLE]["p50"] for s in skews)
    return (
        "Guarded batches at READ COMMITTED, the application's default: order rests on the guard alone, and no lock is "
        "held while accounts of other regions are read. There a partition has one owner, so that only sweeps, commands "
        "and takeovers meet at a head, far less often than here. Where many writers do meet at few heads, lock the "
        f"heads of a batch first, in one order: here up to {gain:.1f} times the steps, and no deadlock whatever the "
        f"plan. SERIALIZABLE (database.isolation) is as safe, with {min(rates):.2f} to {max(rates):.2f} times the "
        "steps: who is rolled back pauses, and leaves the heads to the others meanwhile; so its 99th percentile is up "
        f"to {spread:.0f} times its median."
    )
