"""What is sent again: the record of a row, the order of rows of several regions, and what the answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.tracking.ports import OutgoingRecord, Placed, Refused
from streams_app.systems.tracking.resending import Outcome, Selection, Span, merge, place_of, record_of

ROW: dict[str, Any] = {
    "event_id": "e-1",
    "topic": "orders",
    "partition": 3,
    "offset": 42,
    "event_key": "k",
    "event_type": "made",
    "payload": '{"amount": 0.10000000000000000001}',
    "correlation_id": "c-1",
}


def test_a_record_keeps_its_key_its_identity_and_its_payload() -> None:
    record = record_of(ROW, None, "shop")
    assert (record.topic, record.key, record.value) == ("orders", b"k", ROW["payload"].encode())
    assert dict(record.headers) == {
        "event_id": b"e-1",
        "event_type": b"made",
        "correlation_id": b"c-1",
        "service": b"shop",
        "replayed_from": b"orders-3-42",
    }
    assert place_of(record) == "orders-3-42"


def test_what_is_not_known_is_no_header() -> None:
    record = record_of(ROW | {"event_key": None, "correlation_id": None}, "again", None)
    assert (record.topic, record.key) == ("again", None)
    assert set(dict(record.headers)) == {"event_id", "event_type", "replayed_from"}


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abc")), unique=True),
    st.integers(1, 5),
)
def test_the_rows_of_several_regions_come_in_order_and_each_offset_once(rows: list[tuple[int, str]], size: int) -> None:
    found: list[int] = []
    after: int | None = -1
    while after is not None:
        parts = [
            [{"offset": offset} for offset, owner in sorted(rows) if owner == region and offset > after][:size]
            for region in "abc"
        ]
        page, after = merge(parts, size)
        found += [row["offset"] for row in page]
    assert found == sorted({offset for offset, _ in rows})


def record(offset: int) -> OutgoingRecord:
    return record_of(ROW | {"offset": offset}, None, None)


@pytest.mark.parametrize(("permanent", "stopped"), [(True, None), (False, "orders-3-2")])
def test_what_may_be_tried_later_stops_and_what_never_works_does_not(permanent: bool, stopped: str | None) -> None:
    outcome = Outcome()
    outcome.take([record(1), record(2), record(3)], [Placed(0, 1), Refused("full", permanent), Placed(0, 2)])
    assert (outcome.sent, outcome.refused, outcome.stopped_at) == (2, {"full": 1}, stopped)


def test_an_answer_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Outcome().take([record(1), record(2)], [Placed(0, 1)])


START = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize("span", [timedelta(seconds=1), timedelta(hours=30), timedelta(days=3, minutes=7)])
def test_slices_are_all_of_the_time_and_none_is_long(span: timedelta) -> None:
    chosen = Selection(until=START + span, since=START)
    slices = chosen.slices()
    assert (slices[0][0], slices[-1][1]) == chosen.made
    assert chosen.made[0] < START
    assert chosen.made[1] > START + span
    assert all(one[1] == other[0] for one, other in pairwise(slices))
    assert all(timedelta(0) < end - begin <= timedelta(hours=1) for begin, end in slices)


def test_what_an_index_leads_to_is_looked_for_in_one_piece() -> None:
    assert len(Selection(until=START, event_ids=("e",)).slices()) == 1
    assert len(Selection(until=START, status="FAILED").slices()) == 1


def test_spans_of_slices_are_joined() -> None:
    one, other = Span("east", "t", 0, 5, 9, 3), Span("east", "t", 0, 8, 20, 4)
    assert one.joined(other) == other.joined(one) == Span("east", "t", 0, 5, 20, 7)
