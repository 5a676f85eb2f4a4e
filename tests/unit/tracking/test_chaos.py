"""The judgement and the plan of the kill test of tracked events."""

from __future__ import annotations

from dataclasses import replace

from deploy.tracking_chaos.effects import Effects, by_key, compare
from deploy.tracking_chaos.faults import chosen, draw
from deploy.tracking_chaos.plan import FULL, SHORT, home_of
from deploy.tracking_chaos.run import Result

FACTS = {"a": ["a1", "a2", "a3"], "b": ["b1"]}


def test_once_and_in_order_is_fine() -> None:
    assert compare(FACTS, {"a": ["a1", "a2", "a3"], "b": ["b1"]}) == Effects()


def test_what_is_wrong_is_counted() -> None:
    assert compare(FACTS, {"a": ["a1", "a3"]}) == Effects(lost=2)
    assert compare(FACTS, {"a": ["a1", "a2", "a2", "a3", "a1"], "b": ["b1"]}) == Effects(duplicated=2)
    assert compare(FACTS, {"a": ["a2", "a1", "a3"], "b": ["b1"]}) == Effects(out_of_order=1)
    assert compare(FACTS, {"a": ["a3", "a2", "a1"], "b": ["b1"]}) == Effects(out_of_order=2)
    assert compare(FACTS, {"a": ["a1", "a2", "gone", "a3"], "b": ["b1"], "c": ["c1"]}) == Effects(undone=2)
    assert compare({}, {}) == Effects()


def test_rows_by_key_keep_their_order() -> None:
    assert by_key([("b", "2"), ("a", "9"), ("b", "1")]) == {"b": ["2", "1"], "a": ["9"]}


def test_a_seed_decides_the_faults() -> None:
    assert draw(1, SHORT, 6.0) == draw(1, SHORT, 6.0)
    assert draw(1, SHORT, 6.0) != draw(2, SHORT, 6.0)


def test_every_kind_of_process_dies_and_who_is_stopped_stands_longer_than_its_lease() -> None:
    for size in (SHORT, FULL):
        faults = draw(3, size, 6.0)
        kills = [fault for fault in faults if fault.stop is None]
        stops = [fault for fault in faults if fault.stop is not None]
        assert (len(kills), len(stops)) == (size.kills, size.stops)
        assert {fault.role for fault in kills} == {"relay", "consumer", "writer"}
        assert {fault.role for fault in stops} == {"relay", "consumer"}
        assert all(fault.stop is not None and fault.stop > 6.0 for fault in stops)
        assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
        assert 0 < faults[0].at < faults[-1].at < size.seconds


def test_the_victim_is_one_of_its_role_or_any_when_there_is_none() -> None:
    fault = replace(draw(1, SHORT, 6.0)[0], role="relay", choice=0.99)
    assert chosen(fault, ["writer-1", "relay-1", "relay-2"]) == "relay-2"
    assert chosen(fault, ["writer-1"]) == "writer-1"


def test_effects_are_made_in_all_regions() -> None:
    regions = ["us-east", "us-central", "us-west"]
    assert {home_of(f"us-east:{number}", regions) for number in range(60)} == set(regions)


def test_the_last_line() -> None:
    zeros = {"lost": 0, "duplicated": 0, "out_of_order": 0, "wrong": 0}
    result = Result(5, 2, 1, 5, 10, 3, 7.4, zeros)
    assert result.line() == (
        "TRACKING CHAOS OK events=5 kills=2 stops=1 published=5 processed=10 lost=0 duplicated=0 out_of_order=0 "
        "repeated=3 seconds=7"
    )
    assert replace(result, totals=zeros | {"wrong": 1}).line().startswith("TRACKING CHAOS FAILED")
    assert "wrong=1" in replace(result, totals=zeros | {"wrong": 1}).line()
    assert not replace(result, events=0).proved
