"""What waits: how it is let go, buried, parked and given up, and what an old table says of it."""

from __future__ import annotations

import pytest

from streams_app.changefeed import Version
from streams_app.delivery import ordering
from streams_app.delivery.ports import Mark
from streams_app.delivery.sequencer import Limits
from tests.unit.delivery.fakes import record
from tests.unit.delivery.ledger import redriven
from tests.unit.delivery.test_ordering import LIMITS, Clock, Desk, Lot


@pytest.fixture
def time(monkeypatch):
    time = Clock()
    monkeypatch.setattr(ordering, "monotonic", time)
    return time


@pytest.fixture
def desk(time):
    return Desk(time)


async def test_a_copy_of_what_waits_does_not_let_it_go(desk):
    await desk.take(record("a", 3, 0))
    await desk.take(record("a", 3, 5), record("a", 3, 6))
    assert desk.held == [0]


async def test_what_waited_and_passed_before_the_failing_one_is_no_dead_letter(desk):
    desk.ledger.bad.add(("a", 4))
    await desk.take(*(record("a", number, number) for number in (2, 3, 4, 5)))
    await desk.take(record("a", 1, 9))
    assert desk.ledger.log["a"] == [1, 2, 3]
    assert desk.letters == [("not_wanted", 4), ("behind_dead_letter", 5)]
    assert desk.held == []


async def test_what_waited_and_is_refused_behind_a_failing_one_of_a_later_batch_is_buried_once(desk):
    desk.ledger.broken.add(("a", 1))
    await desk.take(record("a", 2, 0), record("a", 3, 1))
    await desk.take(record("a", 1, 9))
    assert desk.letters == [("processing_failed", 9), ("behind_dead_letter", 0), ("behind_dead_letter", 1)]
    assert desk.held == []


async def test_another_record_with_the_number_of_a_failing_one_is_not_lost(desk):
    desk.ledger.bad.add(("a", 2))
    await desk.take(record("a", 1, 0), record("a", 2, 1), record("a", 2, 2), record("a", 1, 3))
    assert desk.letters == [("not_wanted", 1), ("behind_dead_letter", 2)]


async def test_a_key_whose_gaps_close_one_after_the_other_is_not_given_up(desk):
    await desk.take(record("a", 2, 0))
    for number in range(1, 31, 2):
        desk.clock.now += LIMITS.fill_after
        await desk.take(record("a", number, 10 * number), record("a", number + 3, 10 * number + 1))
    assert desk.letters == []
    assert len(desk.ledger.log["a"]) == 30


async def test_a_gap_is_as_old_as_the_first_that_waits_behind_it(desk):
    await desk.take(record("a", 2, 0), record("a", 4, 1))
    desk.clock.now += 6
    await desk.take(record("a", 1, 2))
    desk.clock.now += 3.9
    await desk.take()
    assert desk.held == [1]
    await desk.wait(0.1)
    assert desk.letters == [("gap", 1)]


async def test_what_was_filled_makes_room_before_anybody_is_given_up(time):
    desk = Desk(time, limits=Limits(records=3, fill_after=1.0, give_up_after=10.0))
    await desk.take(record("old", 2, 0))
    time.now += 0.5
    desk.ledger.source["new"] = {1}
    await desk.take(*(record("new", number, number) for number in (2, 3, 4)))
    assert desk.ledger.log["new"] == [1, 2, 3, 4]
    assert (desk.letters, desk.held) == ([], [0])


async def test_an_old_table_that_calls_a_key_dead_kills_nothing(desk):
    desk.ledger.log["a"] = [1, 2, 3, 4]
    desk.marks.marks["a"] = Mark(Version(1), dead=Version(3))
    await desk.take(record("a", 3, 0), record("a", 5, 1))
    assert desk.ledger.log["a"] == [1, 2, 3, 4, 5]
    assert (desk.letters, desk.marks.marks["a"]) == ([], Mark(Version(5)))


async def test_a_death_is_remembered_with_the_head_that_the_database_has(desk):
    desk.ledger.log["a"] = [1, 2, 3]
    desk.ledger.bad.add(("a", 4))
    desk.marks.marks["a"] = Mark(Version(1))
    await desk.take(record("a", 4, 0))
    await desk.wait(1.0)
    assert desk.marks.marks["a"] == Mark(Version(3), dead=Version(4))


async def test_a_record_of_the_topic_takes_the_place_of_its_copy_from_the_log(desk):
    desk.ledger.source["a"] = {2}
    await desk.take(record("a", 3, 0))
    await desk.wait(1.0)
    assert desk.held == [0]
    await desk.take(record("a", 2, 7))
    assert desk.held == [0, 7]
    await desk.take(record("a", 1, 8))
    assert (desk.ledger.log["a"], desk.held) == ([1, 2, 3], [])


async def test_what_was_read_from_the_log_is_not_parked(time):
    lot = Lot()
    desk = Desk(time, lot)
    desk.ledger.source["a"] = {2}
    await desk.take(record("a", 3, 0))
    await desk.wait(1.0)
    desk.ledger.is_down = True
    await desk.take(record("a", 1, 1))
    assert lot.parked == [0, 1]


async def test_a_redriven_change_that_fails_again_is_dead_again_and_nothing_waits(desk):
    desk.ledger.bad.add(("a", 1))
    await desk.take(record("a", 1, 0), record("a", 2, 1))
    await desk.take(redriven(desk.sink.letters[0], 5), redriven(desk.sink.letters[1], 6))
    assert desk.letters[2:] == [("not_wanted", 5), ("behind_dead_letter", 6)]
    assert desk.held == []
