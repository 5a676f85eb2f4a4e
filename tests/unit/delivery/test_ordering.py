"""Every change of a key, in sequence: what waits, what is looked up, what is given up, and how a key lives again."""

from __future__ import annotations

import pytest

from streams_app.changefeed import Record, Version
from streams_app.delivery import ordering, routes
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ports import Mark
from streams_app.delivery.sequencer import Limits
from streams_app.errors import RegionUnavailableError
from tests.unit.delivery.fakes import FakeHandler, FakeSink, FakeVersions, record, work
from tests.unit.delivery.ledger import ROUTE, Ledger, Marks, redriven

LIMITS = Limits(records=5, size=100_000, fill_after=1.0, give_up_after=10.0)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ordering, "monotonic", clock)
    return clock


class Desk:
    """A processor over a ledger, and what surrounds it."""

    def __init__(self, clock: Clock, parking=None, limits: Limits = LIMITS) -> None:
        self.clock, self.ledger, self.marks, self.sink = clock, Ledger(), Marks(), FakeSink()
        self.processor = BatchProcessor(self.ledger, self.marks, self.sink, parking, limits)

    async def take(self, *records: Record) -> None:
        await work(self.processor, records)

    async def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        assert self.processor.due() == 0
        await work(self.processor, [])

    @property
    def held(self) -> list[int]:
        return sorted(r.offset for r in self.processor.held())

    @property
    def letters(self) -> list[tuple[str, int]]:
        return [(letter.reason, letter.record.offset) for letter in self.sink.letters]


@pytest.fixture
def desk(clock):
    return Desk(clock)


async def test_what_comes_too_early_waits_and_passes_with_what_it_waited_for(desk):
    await desk.take(record("a", 1, 0), record("a", 3, 1), record("a", 4, 2), record("b", 1, 3))
    assert desk.ledger.log == {"a": [1], "b": [1]}
    assert desk.held == [1, 2]
    await desk.take(record("a", 2, 4))
    assert desk.ledger.log["a"] == [1, 2, 3, 4]
    assert (desk.held, desk.processor.due()) == ([], None)
    assert desk.marks.marks["a"] == Mark(Version(4))


async def test_the_same_held_change_again_is_a_duplicate(desk):
    await desk.take(record("a", 2, 0))
    await desk.take(record("a", 2, 7))
    assert desk.held == [0]
    await desk.take(record("a", 1, 8))
    assert desk.ledger.log["a"] == [1, 2]


async def test_a_gap_is_read_from_the_log(desk):
    await desk.take(record("a", 1, 0), record("a", 4, 1))
    desk.ledger.source["a"] = {2, 3}
    assert desk.processor.due() == 1.0
    await desk.wait(1.0)
    assert desk.ledger.log["a"] == [1, 2, 3, 4]
    assert [(gap.key, gap.after, gap.before) for gap in desk.ledger.asked] == [("a", 1, 4)]
    # What the log gave comes late from the topic, too.
    await desk.take(record("a", 2, 2), record("a", 3, 3))
    assert desk.ledger.log["a"] == [1, 2, 3, 4]


async def test_what_another_worker_has_applied_meanwhile_ends_the_wait(desk):
    await desk.take(record("a", 1, 0), record("a", 3, 1))
    desk.ledger.log["a"] += [2, 3]
    await desk.wait(1.0)
    assert (desk.held, desk.letters, desk.ledger.asked != []) == ([], [], True)


async def test_a_gap_that_never_closes_becomes_dead_letters_in_order(desk):
    await desk.take(record("a", 1, 0), record("a", 4, 1), record("a", 3, 2), record("b", 1, 3))
    for _ in range(10):
        await desk.wait(1.0)
    assert desk.letters == [("gap", 2), ("behind_dead_letter", 1)]
    assert desk.marks.marks["a"] == Mark(Version(1), dead=Version(4))
    await desk.take(record("a", 5, 4), record("b", 2, 5))
    assert desk.letters[2:] == [("behind_dead_letter", 4)]
    assert (desk.ledger.log["b"], desk.held) == ([1, 2], [])
    assert desk.marks.marks["a"].dead == Version(5)


async def test_a_redriven_key_lives_again_when_the_last_that_was_set_aside_is_done(desk):
    desk.ledger.bad.add(("a", 2))
    await desk.take(*(record("a", number, number) for number in (1, 2, 3, 4)))
    assert desk.letters == [("not_wanted", 2), ("behind_dead_letter", 3), ("behind_dead_letter", 4)]
    desk.ledger.bad.clear()
    letters = list(desk.sink.letters)
    await desk.take(redriven(letters[0], 10), redriven(letters[1], 11))
    assert desk.ledger.log["a"] == [1, 2, 3]
    await desk.take(record("a", 5, 12))
    assert desk.letters[3:] == [("behind_dead_letter", 12)]
    await desk.take(redriven(letters[2], 13), redriven(desk.sink.letters[3], 14), record("a", 6, 15))
    assert desk.ledger.log["a"] == [1, 2, 3, 4, 5, 6]
    assert desk.marks.marks["a"] == Mark(Version(6))


async def test_a_change_that_fails_for_good_takes_its_followers_with_it_and_no_neighbour(desk):
    desk.ledger.broken.add(("a", 2))
    rows = [record(key, number, 10 * number + "abc".index(key)) for number in (1, 2, 3) for key in "abc"]
    await desk.take(*rows)
    assert desk.ledger.log == {"a": [1], "b": [1, 2, 3], "c": [1, 2, 3]}
    assert desk.letters == [("processing_failed", 20), ("behind_dead_letter", 30)]


async def test_the_database_is_believed_before_the_table(desk):
    # The table is ahead of a database that was restored: what it calls next is refused, and put in order anew.
    desk.marks.marks["a"] = Mark(Version(3))
    desk.ledger.source["a"] = {1, 2, 3}
    await desk.take(record("a", 4, 0))
    await desk.wait(1.0)
    assert desk.ledger.log["a"] == [1, 2, 3, 4]


async def test_a_lost_table_costs_one_question(desk):
    desk.ledger.log["a"] = [1, 2]
    await desk.take(record("a", 1, 0), record("a", 2, 1), record("a", 3, 2))
    assert desk.ledger.log["a"] == [1, 2, 3]


async def test_too_much_waiting_gives_up_the_longest_waiting_key(desk):
    await desk.take(record("old", 2, 0))
    desk.clock.now += 0.5
    await desk.take(*(record("new", number, number) for number in range(2, 7)))
    assert desk.letters == [("gap", 0)]
    assert desk.held == [2, 3, 4, 5, 6]


async def test_without_a_number_there_is_no_order(desk):
    raw = Record(
        "heads", 0, 0, b"a", b'{"before":null,"after":{"request_id":"a"},"op":"u","source":{"lsn":5},"ts_ms":1}'
    )
    await desk.take(raw)
    assert desk.letters == [("missing_version", 0)]


async def test_the_partitions_go_and_what_waited_comes_again(desk):
    await desk.take(record("a", 2, 0))
    desk.processor.clear()
    assert (desk.held, desk.processor.due()) == ([], None)
    await desk.take(record("a", 2, 0), record("a", 1, 1))
    assert desk.ledger.log["a"] == [1, 2]


class Lot:
    """Parks in memory."""

    def __init__(self) -> None:
        self.parked: list[int] = []

    def holds(self, route: str) -> bool:
        return bool(self.parked)

    async def park(self, route: str, records) -> None:
        assert route == ROUTE
        self.parked += [r.offset for r in records]


async def test_a_route_that_goes_down_parks_what_waits_too_in_the_order_of_the_topic(clock):
    lot = Lot()
    desk = Desk(clock, lot)
    await desk.take(record("a", 1, 0), record("a", 3, 1))
    desk.ledger.is_down = True
    await desk.take(record("a", 4, 2), record("a", 2, 3))
    assert lot.parked == [1, 2, 3]
    assert desk.held == []


async def test_parked_changes_wait_for_their_route(clock, monkeypatch):
    monkeypatch.setattr(routes, "PARKED_PAUSE", 0)
    desk = Desk(clock)
    failures = [RegionUnavailableError(ROUTE)] * 3

    def answer(self: Ledger) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Ledger, "_answer", answer)
    await desk.take(record("a", 2, 0), record("a", 1, 1))
    assert desk.ledger.log["a"] == [1, 2]


async def test_newest_a_made_up_version_does_not_hide_the_true_ones():
    class Wary(FakeHandler):
        """Rejects the version 9."""

        async def process(self, route, changes):
            self.refused = frozenset(c.key for c in changes if c.version.major == 9)
            only = [c for c in changes if c.version.major == 9] or changes
            outcome = await super().process(route, only)
            self.processed += [(c.key, c.version.major) for c in changes if c not in only]
            return outcome

    handler, versions, sink = Wary(), FakeVersions(), FakeSink()
    await work(BatchProcessor(handler, versions, sink), [record("a", 1, 0), record("a", 9, 1), record("a", 2, 2)])
    assert handler.processed == [("a", 1), ("a", 2)]
    assert [letter.record.offset for letter in sink.letters] == [1]
    assert versions.seen == {"a": 2}
