"""In whose name a task works."""

import asyncio

from streams_app.databases.fences import Fence, Guarded, current, guarding

FENCE = Fence("group", 3)


def test_outside_a_batch_nobody_is_named():
    assert current() is None


def test_inside_the_partitions_are_named_in_one_order_and_once():
    with guarding(FENCE, {("b", 0), ("a", 1), ("a", 0)}):
        assert current() == Guarded(FENCE, (("a", 0), ("a", 1), ("b", 0)))
    assert current() is None


async def test_what_is_started_inside_keeps_the_name_after_the_block_ends():
    async def whose() -> Guarded | None:
        await asyncio.sleep(0)
        return current()

    with guarding(FENCE, [("a", 0)]):
        task = asyncio.ensure_future(whose())
    assert current() is None
    assert await task == Guarded(FENCE, (("a", 0),))


def test_each_assignment_begins_without_claims():
    one = Fence("group", 1)
    one.claims["here"] = {("a", 0): 0}
    assert Fence("group", 2).claims == {}
