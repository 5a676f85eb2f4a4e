"""What a fence keeps out, whom it lets wait and whom it lets pass, in PostgreSQL and in memory."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from streams_app.databases.fences import Fence, Place
from streams_app.errors import FencedError
from tests.contract.fence_stages import REGION, MemoryStage, PostgresStage, Stage

P0, P1 = ("orders", 0), ("orders", 1)
# Long enough that what need not wait is done, also on a busy machine; it says nothing when it is too short.
PATIENCE = 0.3
_GROUPS = count()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.stack)])
def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "memory":
        return MemoryStage()
    return PostgresStage(request.getfixturevalue("fresh_databases"))


@pytest.fixture
def group() -> str:
    return f"group-{next(_GROUPS)}"


async def write(stage: Stage, fence: Fence, *places: Place) -> None:
    async with stage.transaction(fence, *places):
        pass


class Open:
    """A transaction that stays open until it is told to end."""

    def __init__(self, stage: Stage, fence: Fence, *places: Place) -> None:
        self.began, self._may_end = asyncio.Event(), asyncio.Event()
        self.task = asyncio.ensure_future(self._run(stage, fence, places))

    async def _run(self, stage: Stage, fence: Fence, places: tuple[Place, ...]) -> None:
        async with stage.transaction(fence, *places):
            self.began.set()
            await self._may_end.wait()

    async def end(self) -> None:
        self._may_end.set()
        await self.task


async def test_a_higher_generation_takes_over_and_the_lower_one_is_refused(stage, group):
    old, new = Fence(group, 1), Fence(group, 2)
    await write(stage, old, P0)
    await write(stage, old, P0)
    await write(stage, new, P0)
    for _ in range(2):
        with pytest.raises(FencedError):
            await write(stage, old, P0)
    await write(stage, new, P0)


async def test_one_that_never_wrote_is_refused_too(stage, group):
    await write(stage, Fence(group, 2), P0)
    zombie = Fence(group, 1)
    with pytest.raises(FencedError):
        await write(stage, zombie, P0)
    assert zombie.claims.get(REGION, {}) == {}


@pytest.mark.parametrize("writes_before", [0, 1], ids=["which claims", "which holds its claim"])
async def test_a_newer_generation_waits_for_an_older_transaction(stage, group, writes_before):
    old, new = Fence(group, 1), Fence(group, 2)
    for _ in range(writes_before):
        await write(stage, old, P0)
    transaction = Open(stage, old, P0)
    await transaction.began.wait()
    takeover = asyncio.ensure_future(write(stage, new, P0))
    assert not (await asyncio.wait({takeover}, timeout=PATIENCE))[0]
    await transaction.end()
    await takeover
    with pytest.raises(FencedError):
        await write(stage, old, P0)


async def test_a_worker_goes_on_through_a_rebalance(stage, group):
    await write(stage, Fence(group, 1), P0, P1)
    for generation in (2, 3):
        fence = Fence(group, generation)
        await write(stage, fence, P0)
        await write(stage, fence, P0, P1)
        await write(stage, fence, P1)


async def test_one_lost_partition_refuses_the_whole_transaction(stage, group):
    old, new = Fence(group, 1), Fence(group, 2)
    await write(stage, old, P0, P1)
    await write(stage, new, P1)
    with pytest.raises(FencedError):
        await write(stage, old, P0, P1)
    await write(stage, old, P0)


async def test_a_refused_claim_leaves_nothing_behind(stage, group):
    await write(stage, Fence(group, 3), P1)
    with pytest.raises(FencedError):
        await write(stage, Fence(group, 2), P0, P1)
    await write(stage, Fence(group, 1), P0)


async def test_a_claim_that_is_rolled_back_is_none(stage, group):
    fence = Fence(group, 2)
    with pytest.raises(KeyError):
        async with stage.transaction(fence, P0):
            raise KeyError
    assert fence.claims.get(REGION, {}) == {}
    await write(stage, Fence(group, 1), P0)


async def test_after_an_advance_old_claims_are_void_and_generations_begin_anew(stage, group):
    old, again = Fence(group, 7), Fence(group, 1)
    await write(stage, old, P0)
    await stage.advance(group)
    for places in ((P0,), (P0, P1)):
        with pytest.raises(FencedError):
            await write(stage, old, *places)
    await write(stage, again, P0)
    await write(stage, again, P0)
    with pytest.raises(FencedError):
        await write(stage, old, P0)


async def test_an_advance_concerns_one_group(stage, group):
    fence = Fence(f"{group}-neighbour", 2)
    await write(stage, fence, P0)
    await write(stage, Fence(group, 9), P0)
    await stage.advance(group)
    await write(stage, fence, P0)
    with pytest.raises(FencedError):
        await write(stage, Fence(fence.group, 1), P0)


async def test_workers_with_other_partitions_do_not_wait_for_each_other(stage, group):
    transaction = Open(stage, Fence(group, 1), P0)
    await transaction.began.wait()
    other = Fence(group, 1)
    await asyncio.wait_for(write(stage, other, P1), timeout=20)
    await asyncio.wait_for(write(stage, other, P1), timeout=20)
    assert not transaction.task.done()
    await transaction.end()


async def test_two_transactions_of_one_worker_hold_its_claim_side_by_side(stage, group):
    fence = Fence(group, 1)
    await write(stage, fence, P0)
    transaction = Open(stage, fence, P0)
    await transaction.began.wait()
    await asyncio.wait_for(write(stage, fence, P0), timeout=20)
    assert not transaction.task.done()
    await transaction.end()


async def test_a_batch_without_records_passes(stage, group):
    await write(stage, Fence(group, 1))
