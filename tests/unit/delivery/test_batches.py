"""One batch, from records to the moment it may be acked."""

import pytest

from streams_app.changefeed import Record
from streams_app.delivery import retry, routes
from streams_app.delivery.batches import BatchProcessor
from tests.unit.delivery.fakes import FakeHandler, FakeSink, FakeVersions, record, work


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retry.Backoff, "pause", lambda self, attempt, fraction: 0)


async def test_good_records_are_processed_and_remembered_on_their_partition():
    handler, versions, sink = FakeHandler(), FakeVersions(), FakeSink()
    await work(
        BatchProcessor(handler, versions, sink), [record("a", 1, 0), record("a", 2, 1), record("b", 1, 0, partition=3)]
    )
    assert handler.processed == [("a", 1), ("a", 2), ("b", 1)]
    assert versions.writes == [(0, {"a": 2}), (3, {"b": 1})]
    assert sink.letters == []


async def test_a_repeated_batch_is_not_processed_again():
    handler, versions = FakeHandler(), FakeVersions()
    processor = BatchProcessor(handler, versions, FakeSink())
    await work(processor, [record("a", 1)])
    await work(processor, [record("a", 1)])
    assert handler.processed == [("a", 1)]


async def test_what_cannot_be_decoded_is_a_dead_letter_and_its_neighbours_flow_on():
    handler, sink = FakeHandler(), FakeSink()
    bad = Record("heads", 0, 1, b"b", b"{not json")
    await work(BatchProcessor(handler, FakeVersions(), sink), [record("a", 1, 0), bad, record("c", 1, 2)])
    assert handler.processed == [("a", 1), ("c", 1)]
    [letter] = sink.letters
    assert (letter.record, letter.reason) == (bad, "not_json")


async def test_one_change_that_fails_for_good_is_found_and_its_neighbours_commit():
    handler, versions, sink = FakeHandler(broken=frozenset({"bad"})), FakeVersions(), FakeSink()
    records = [record(f"k{i}", 1, i) for i in range(9)] + [record("bad", 1, 9)] + [record("z", 1, 10)]
    await work(BatchProcessor(handler, versions, sink), records)
    assert {key for key, _ in handler.processed} == {f"k{i}" for i in range(9)} | {"z"}
    [letter] = sink.letters
    assert letter.reason == "processing_failed"
    assert "divides by zero" in letter.detail
    assert "Traceback" in letter.stack
    assert "bad" not in versions.seen


async def test_a_rejected_change_is_a_dead_letter_and_not_remembered():
    handler, versions, sink = FakeHandler(refused=frozenset({"no"})), FakeVersions(), FakeSink()
    await work(BatchProcessor(handler, versions, sink), [record("no", 5), record("yes", 1, 1)])
    assert [letter.reason for letter in sink.letters] == ["not_wanted"]
    assert versions.seen == {"yes": 1}


async def test_dead_letters_are_sent_until_the_broker_has_them():
    sink = FakeSink(failures=3)
    await work(BatchProcessor(FakeHandler(), FakeVersions(), sink), [Record("heads", 0, 0, b"a", b"\xff")])
    assert len(sink.letters) == 1


async def test_nothing_is_remembered_when_dead_letters_cannot_be_stored(monkeypatch):
    handler, versions, sink = FakeHandler(refused=frozenset({"no"})), FakeVersions(), FakeSink()

    async def fail(*_: object, **__: object) -> None:
        raise ValueError("refused for good")

    monkeypatch.setattr(routes, "until_done", fail)
    with pytest.raises(ValueError, match="refused for good"):
        await work(BatchProcessor(handler, versions, sink), [record("no", 1), record("yes", 1, 1)])
    assert versions.seen == {}
