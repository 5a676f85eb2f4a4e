"""The order in sequence against a model: duplicates, disorder, loss, restarts, lost and stale tables, redrives."""

from __future__ import annotations

import asyncio
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams_app.changefeed import Record
from streams_app.delivery import ordering
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.sequencer import Limits
from tests.unit.delivery.fakes import FakeSink, record, work
from tests.unit.delivery.ledger import Ledger, Marks, redriven

KEYS = st.sampled_from("abc")
LIMITS = Limits(records=6, size=100_000, fill_after=1.0, give_up_after=5.0)
PARTITION = 0


class Sequence(RuleBasedStateMachine):
    """A source that numbers its changes, a topic that shows them badly, and a worker that dies now and then."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.patch = mock.patch.object(ordering, "monotonic", self._clock)
        self.patch.start()
        self.loop = asyncio.new_event_loop()
        self.ledger, self.marks, self.sink = Ledger(), Marks(), FakeSink()
        self.stale = dict(self.marks.marks)
        self.written = dict.fromkeys("abc", 0)
        self.withheld: set[tuple[str, int]] = set()
        self.topic: list[Record] = []
        self.fetched = self.committed = 0
        self._start()

    def _clock(self) -> float:
        return self.now

    def _start(self) -> None:
        self.processor = BatchProcessor(self.ledger, self.marks, self.sink, None, LIMITS)
        self.fetched = self.committed

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self._end()
        self.loop.close()
        self.patch.stop()

    def _end(self) -> None:
        """What never came is put into the log, what is dead is sent again: in the end everything is there, once."""
        self._drain()
        for key, number in self.withheld:
            self.ledger.source[key].add(number)
        for key in "abc":
            letters = {
                letter.record.offset: letter for letter in self.sink.letters if letter.record.key == key.encode()
            }
            numbered = sorted(letters.values(), key=lambda letter: self._number(letter.record))
            for letter in numbered:
                self.topic.append(redriven(letter, len(self.topic)))
        self._drain()
        shown = {key: max([self._number(r) for r in self.topic if r.key == key.encode()], default=0) for key in "abc"}
        assert {key: self.ledger.log[key] for key in "abc"} == {key: list(range(1, shown[key] + 1)) for key in "abc"}

    def _number(self, raw: Record) -> int:
        change = self.ledger.decode(raw)
        assert change is not None
        assert change.version is not None
        return change.version.major

    def _drain(self) -> None:
        self._take(len(self.topic))
        for _ in range(20):
            if self.processor.due() is None:
                break
            self.now += 1.0
            self._take(len(self.topic))
        assert (self.processor.held(), self.processor.due()) == ([], None)
        assert self.committed == len(self.topic)

    def _take(self, count: int) -> None:
        records = self.topic[self.fetched : self.fetched + count]
        self.loop.run_until_complete(work(self.processor, records))
        self.fetched += len(records)
        self.committed = min([r.offset for r in self.processor.held()], default=self.fetched)

    @rule(key=KEYS, in_topic=st.booleans(), in_log=st.booleans(), last=st.integers(0, 2))
    def write(self, key: str, in_topic: bool, in_log: bool, last: int) -> None:
        """The source writes a change; the topic shows it now, later, or never."""
        self.written[key] += 1
        number = self.written[key]
        if in_topic or last:
            self._show(key, number)
        else:
            self.withheld.add((key, number))
        if in_log:
            self.ledger.source[key].add(number)

    def _show(self, key: str, number: int) -> None:
        self.topic.append(record(key, number, len(self.topic), PARTITION))

    @rule(key=KEYS, back=st.integers(0, 6))
    def show_again(self, key: str, back: int) -> None:
        """A change comes again at a new offset, or at last."""
        number = self.written[key] - back
        if number >= 1:
            self.withheld.discard((key, number))
            self._show(key, number)

    @rule(count=st.integers(1, 8))
    def take(self, count: int) -> None:
        self._take(count)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._take(0)

    @rule(table=st.sampled_from(["kept", "lost", "stale"]))
    def restart(self, table: str) -> None:
        """The worker dies: what waits is forgotten, and comes again from the committed offset."""
        if table != "kept":
            self.marks.marks = dict(self.stale) if table == "stale" else {}
        self._start()

    @rule()
    def keep_a_copy_of_the_table(self) -> None:
        self.stale = dict(self.marks.marks)

    @invariant()
    def nothing_twice_and_nothing_skipped(self) -> None:
        for log in getattr(self, "ledger", Ledger()).log.values():
            assert log == list(range(1, len(log) + 1))

    @invariant()
    def what_waits_is_bounded_and_not_acked(self) -> None:
        if hasattr(self, "processor"):
            held = self.processor.held()
            assert len(held) <= LIMITS.records
            assert all(r.offset >= self.committed for r in held)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Below the committed offset everything is applied or a dead letter."""
        if not hasattr(self, "topic"):
            return
        dead = {(letter.record.key, self._number(letter.record)) for letter in self.sink.letters}
        for shown in self.topic[: self.committed]:
            key, number = (shown.key or b"").decode(), self._number(shown)
            assert number <= len(self.ledger.log[key]) or (shown.key, number) in dead


TestSequence = Sequence.TestCase
TestSequence.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
