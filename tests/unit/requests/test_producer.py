"""The producer: region by region, batch by batch, no faster than asked, and whatever a region does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from streams_app.databases import Databases
from streams_app.systems.requests.generate import producer
from streams_app.systems.requests.generate.generator import Blueprint, Generator, Plan
from streams_app.systems.requests.generate.histories import History
from streams_app.systems.requests.generate.producer import Producer, Source
from streams_app.systems.requests.model import Account

from .contexts import BOOK, REGIONS


class Clock:
    """A clock that stands still unless moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def source(total: int | None, rate: float = 0, batch: int = 50) -> tuple[Source, Clock]:
    clock = Clock()
    plans = Generator(Blueprint("unit"), REGIONS).plans(REGIONS.names, total)
    return Source(plans, rate=rate, batch=batch, clock=clock), clock


def test_every_plan_is_handed_out_once_to_its_region() -> None:
    made, _ = source(500)
    taken = []
    for region in REGIONS.names:
        while (batch := made.take(region)) is not None:
            assert 0 < len(batch) <= 50
            assert {plan.region for plan in batch} == {region}
            assert [plan.index for plan in batch] == sorted(plan.index for plan in batch)
            taken += batch
    assert sorted(plan.index for plan in taken) == list(range(500))
    assert all(made.take(region) is None for region in REGIONS.names)


@pytest.mark.parametrize("rate", [0.5, 10, 333])
def test_no_more_than_the_rate_allows(rate: float) -> None:
    made, clock = source(None, rate=rate, batch=10_000)
    assert made.take("us-east") == []
    count = 0
    for second in range(1, 20):
        clock.now = float(second)
        count += sum(len(made.take(region) or ()) for region in REGIONS.names)
        assert count == int(rate * second)


def test_a_region_that_takes_nothing_holds_the_others_up_only_when_too_much_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer, "MOST_WAITING", 300)
    made, _ = source(None)
    taken = [plan for _ in range(200) for plan in made.take("us-east") or ()]
    assert 200 < len(taken) < 400
    assert made.take("us-east") == []
    while made.take("us-west"):
        pass
    while made.take("us-central"):
        pass
    assert made.take("us-east")


class Regional:
    """Stands for the databases: remembers what is written, and lets a region be down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.regions = REGIONS
        self.down: set[str] = set()
        self.accounts: set[UUID] = set()
        self.requests: dict[UUID, str] = {}
        monkeypatch.setattr(producer, "write_accounts", self.write_accounts)
        monkeypatch.setattr(producer, "write_histories", self.write_histories)

    async def answer(self, region: str) -> None:
        await asyncio.sleep(0)
        if region in self.down:
            raise PoolTimeout("down")

    async def write_accounts(self, _: Any, region: str, accounts: Iterable[Account]) -> int:
        await self.answer(region)
        before = len(self.accounts)
        self.accounts.update(account.account_id for account in accounts)
        return len(self.accounts) - before

    async def write_histories(
        self, _: Any, region: str, histories: Iterable[History], accounts: Iterable[Account]
    ) -> set[UUID]:
        await self.answer(region)
        self.accounts.update(account.account_id for account in accounts)
        new = set()
        for history in histories:
            plan = history.plan
            assert plan.region == region
            assert {account.account_id for account in plan.accounts} <= self.accounts
            if plan.request_id not in self.requests:
                self.requests[plan.request_id] = region
                new.add(plan.request_id)
        return new


def made_producer(regional: Regional, total: int | None, batch: int = 50) -> tuple[Producer, Counter[str]]:
    generator, counts = Generator(Blueprint("unit", accounts=50), REGIONS), Counter[str]()

    def on_written(written: list[Plan], new: set[UUID]) -> None:
        counts["new"] += len(new)
        counts["already there"] += len(written) - len(new)

    plans = generator.plans(REGIONS.names, total)
    shared = {region: generator.shared_accounts(region) for region in REGIONS.names}
    all_at_once = Source(plans, rate=0, batch=batch, clock=Clock())
    return Producer(cast(Databases, regional), BOOK, all_at_once, shared, on_written), counts


async def test_every_request_is_written_once_with_its_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    regional = Regional(monkeypatch)
    for expected in ({"new": 700, "already there": 0}, {"new": 0, "already there": 700}):
        made, counts = made_producer(regional, 700)
        await made.run(REGIONS.names, asyncio.Event())
        assert counts == expected
    assert len(regional.requests) == 700


async def test_a_region_that_is_down_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    regional = Regional(monkeypatch)
    regional.down.add("us-west")
    made, counts = made_producer(regional, 700)
    running = asyncio.create_task(made.run(REGIONS.names, asyncio.Event()))
    await asyncio.sleep(0.5)
    plans = Generator(Blueprint("unit", accounts=50), REGIONS).plans(REGIONS.names, 700)
    regions = {p.request_id: {REGIONS.of(account.locality) for account in p.accounts} | {p.region} for p in plans}
    assert set(regional.requests) == {i for i, named in regions.items() if "us-west" not in named}
    assert not running.done()
    regional.down.clear()
    await running
    assert counts == {"new": 700, "already there": 0}


async def test_a_stop_ends_the_producer_even_while_a_region_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "GRACE", 0.1)
    regional, stop = Regional(monkeypatch), asyncio.Event()
    regional.down.add("us-west")
    made, counts = made_producer(regional, None)
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await asyncio.wait_for(made.run(REGIONS.names, stop), 5)
    assert counts["new"] == len(regional.requests) > 0


async def test_what_can_never_succeed_ends_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    regional = Regional(monkeypatch)
    made, _ = made_producer(regional, None)

    async def refuse(*_: Any) -> set[UUID]:
        raise psycopg.errors.InsufficientPrivilege("no")

    monkeypatch.setattr(producer, "write_histories", refuse)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await asyncio.wait_for(made.run(REGIONS.names, asyncio.Event()), 5)
