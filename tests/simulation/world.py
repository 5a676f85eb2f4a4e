"""One short world: customers, three regions, a few workers and the faults of its seed, until all is quiet."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

from faust.types import TP

from streams_app.databases import Regions
from streams_app.systems.requests.agents import TOPICS
from streams_app.systems.requests.model import Request, Signal, SignalKind, Status, Transition
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import WorkflowBook, load_workflows
from tests.contract.memory_store import key_of
from tests.simulation.bad_records import bad_record
from tests.simulation.base import Result, Simulation, run_seed
from tests.simulation.checks import Checks
from tests.simulation.databases import Database
from tests.simulation.feeds import Feed
from tests.simulation.kafka import Broker, Place
from tests.simulation.nemesis import Nemesis
from tests.simulation.parts import Parts
from tests.simulation.requests_worker import RequestsWorker
from tests.simulation.store import RegionalStore
from tests.simulation.wishes import Customers, Wish

WORKFLOWS = Path(__file__).resolve().parents[2] / "config/workflows.toml"
REGIONS = Regions({"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)})
# Waiting steps end after 20 minutes and an hour; in a tight world after 3 and 9 seconds.
DEADLINE_SCALE, TIGHT_DEADLINE_SCALE = 1 / 72, 1 / 28_800
LONGEST_DEADLINE = 3_700.0
BUSY_SECONDS = 12.0
# A world that is not quiet by then has lost something or turns in circles.
PATIENCE = 90.0


@cache
def _book(scale: float) -> WorkflowBook:
    return load_workflows(WORKFLOWS).scaled(scale)


class World:
    """Everything of one seed."""

    def __init__(self, simulation: Simulation, parts: Parts) -> None:
        self.simulation = simulation
        self.parts = parts
        self.book = _book(TIGHT_DEADLINE_SCALE if simulation.chances.tight else DEADLINE_SCALE)
        self.broker = Broker(simulation, TOPICS, REGIONS.names)
        self.databases = {name: Database(simulation, name, parts.tables(REGIONS)) for name in REGIONS.names}
        self.feeds = [Feed(simulation, database, self.broker) for database in self.databases.values()]
        self.workers: list[RequestsWorker] = []
        self.checks = Checks(self)
        self.broker.check_commit = self.checks.commit
        self.sweeping = simulation.chances.sweeping_from_start
        self.wishes: dict[RequestKey, Wish] = {}
        #: Requests that a bad record may name: a version made up hides the true ones of its batch.
        self.disturbed: set[RequestKey] = set()
        #: Why each bad record is refused.
        self.bad: dict[Place, str] = {}
        self._customers = Customers(simulation.rng)
        self._names = 0

    def database_of(self, key: RequestKey) -> Database:
        """The database that holds a request."""
        return self.databases[REGIONS.of(key.locality)]

    def add_worker(self) -> None:
        """One more worker joins."""
        self._names += 1
        store = RegionalStore(self.simulation, self.databases, REGIONS)
        outside = (self.simulation, self.broker, store)
        worker = RequestsWorker(
            f"worker-{self._names}", *outside, self.book, REGIONS, self.parts, self.checks.processed
        )
        self.workers.append(worker)
        self.simulation.note("workers", worker.name)
        worker.start()
        self._sweep_somewhere()

    def _sweep_somewhere(self) -> None:
        """Two workers are enough to meet each other."""
        sweeping = [worker for worker in self.running() if worker.sweeps]
        for worker in self.running():
            if self.sweeping and not worker.sweeps and len(sweeping) < 2:
                worker.start_sweeping()
                sweeping.append(worker)

    def running(self) -> list[RequestsWorker]:
        """Workers that are neither dead nor paused nor stopping."""
        return [w for w in self.workers if not (w.process.dead or w.process.paused or w.stopped)]

    async def run(self) -> None:
        """From the first request to the last check."""
        simulation, nemesis = self.simulation, Nemesis(self)
        wishes = self._customers.wishes()
        for account in self._customers.accounts:
            self.databases[REGIONS.of(account.locality)].tables.accounts[account.account_id] = account
        for feed in self.feeds:
            simulation.loop.spawn(feed.process, feed.run())
        for _ in range(simulation.rng.randint(1, 3)):
            self.add_worker()
        await asyncio.gather(nemesis.run(BUSY_SECONDS), self._bad_records(), *(self._come(wish) for wish in wishes))
        await self._quiet()
        if not simulation.chances.sweeping_from_start:
            self.checks.nothing_waits_for_a_sweep()
        await self._silence(nemesis)
        self.checks.end()

    async def _come(self, wish: Wish) -> None:
        simulation, rng = self.simulation, self.simulation.rng
        await asyncio.sleep((0.1 if self._customers.crowded else BUSY_SECONDS / 2) * rng.random())
        request = Request(
            wish.request_id,
            wish.account.locality,
            wish.type_id,
            wish.account.account_id,
            Status.PENDING,
            "somebody",
            simulation.now(),
            wish.details,
        )
        key = key_of(request)
        database = await self._up(key)
        self.wishes[key] = wish
        database.tables.links[wish.request_id] = list(wish.links)
        database.tables.trades[key] = {trade.trade_id: trade for trade in wish.trades}
        if simulation.chances.poison and rng.random() < 0.3:
            database.poisoned[wish.request_id] = rng.randint(0, 3)
            simulation.note("poisoned", wish.request_id)
        database.insert(request, self._first_event(request) if rng.random() < 0.5 else None)
        for kind in wish.signals:
            await asyncio.sleep(3 * rng.random())
            await self._say(key, kind)

    async def _say(self, key: RequestKey, kind: SignalKind) -> None:
        database = await self._up(key)
        signal = Signal(self._customers.new_id(), kind, "somebody", self.simulation.now())
        self.simulation.note("signals", f"{kind.value} of {key.request_id}")
        database.insert_signal(key, signal)

    async def _up(self, key: RequestKey) -> Database:
        database = self.database_of(key)
        await database.is_up.wait()
        return database

    def _first_event(self, request: Request) -> Transition:
        node = self.book.by_type[request.type_id].initial
        where = (request.request_id, request.locality)
        return Transition(*where, 0, node.link_id, node.status, request.created_ts, request.requested_by, "create")

    async def _bad_records(self) -> None:
        rng, broker = self.simulation.rng, self.broker
        for _ in range(self.simulation.chances.bad_records):
            await asyncio.sleep(3 * rng.random())
            good = [key for key in self.wishes if not self.is_poisoned(key) and key not in self.disturbed]
            if good:
                key = rng.choice(good)
                self.disturbed.add(key)
                topic, raw_key, value, reason = bad_record(rng, key.request_id, key.locality)
                record = broker.append(topic, rng.randrange(broker.partitions), raw_key, value, None)
                self.bad[TP(topic, record.partition), record.offset] = reason
                self.simulation.note("bad_records", reason)

    async def _quiet(self) -> None:
        """Wait until nothing is on its way and every record is committed."""
        loop, calm = self.simulation.loop, 0
        give_up = loop.time() + PATIENCE
        while calm < 2:
            await asyncio.sleep(0.5)
            idle = all(feed.idle for feed in self.feeds) and all(d.idle for d in self.databases.values())
            calm = calm + 1 if idle and self.broker.group.stable and not self.broker.lag else 0
            if loop.time() > give_up:
                self.simulation.violated(f"not quiet after {PATIENCE:.0f} s, lag {self.broker.lag}")
                return

    async def _silence(self, nemesis: Nemesis) -> None:
        """Nobody says anything any more: deadlines pass, and the sweeps make an end of what waits."""
        loop = self.simulation.loop
        loop.jump(LONGEST_DEADLINE)
        self.sweeping = True
        self._sweep_somewhere()
        await nemesis.run(5.0)
        self._sweep_somewhere()
        for second in range(1, int(PATIENCE)):
            if not self.open_requests():
                break
            await asyncio.sleep(1.0)
            if second % 15 == 0:
                # What a sweep has driven may now wait at another node for the deadline there.
                loop.jump(LONGEST_DEADLINE)
        await self._quiet()

    def open_requests(self) -> list[RequestKey]:
        """Requests that have not ended, but could."""
        return [key for key in self.wishes if not self.is_poisoned(key) and self._is_open(key)]

    def _is_open(self, key: RequestKey) -> bool:
        head = self.database_of(key).tables.heads.get(key)
        return head is None or head.status.is_open

    def is_poisoned(self, key: RequestKey) -> bool:
        """Whether a constraint refuses the request's steps for good."""
        return key.request_id in self.database_of(key).poisoned


def run(seed: int, parts: Parts = Parts(), *, verbose: bool = False) -> Result:  # noqa: B008 (frozen)
    """Run the world of a seed."""

    async def main(simulation: Simulation) -> None:
        await World(simulation, parts).run()

    return run_seed(seed, main, verbose)
