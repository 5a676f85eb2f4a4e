"""Partitions of equal numbers go to one worker together, and the load is even."""

from __future__ import annotations

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from hypothesis import given
from hypothesis import strategies as st

from streams_app.kafka.assigning import Assignor, assign

TRADING = {f"signal.{name}": 3 for name in ("1m", "5m", "15m")}


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, set[str]], set[str]]:
    """Topics with their partitions, members with their topics, and topics apart."""
    topics = {f"t{n}": draw(st.sampled_from([1, 3, 6, 24])) for n in range(draw(st.integers(1, 8)))}
    members = {f"m{n}": set(topics) for n in range(draw(st.integers(1, 7)))}
    return topics, members, draw(st.sets(st.sampled_from(sorted(topics))))


@given(groups())
def test_every_partition_is_somebodys_once_and_equal_numbers_are_together(
    group: tuple[dict[str, int], dict[str, set[str]], set[str]],
) -> None:
    topics, members, apart = group
    found = assign(topics, members, apart)
    owners: dict[tuple[str, int], str] = {}
    for member, numbers in found.items():
        for topic, mine in numbers.items():
            for number in mine:
                assert owners.setdefault((topic, number), member) == member
    assert set(owners) == {(topic, number) for topic, count in topics.items() for number in range(count)}
    for one, count in topics.items():
        for other in topics:
            if topics[other] == count and not {one, other} & apart:
                assert all(owners[one, number] == owners[other, number] for number in range(count))


def test_the_signals_of_a_partition_number_have_one_owner_whatever_else_there_is() -> None:
    others = {name: 3 for name in ("decisions", "orders", "parked.1", "parked.2")}
    found = assign(TRADING | others, {member: set(TRADING | others) for member in "ab"}, set(others))
    for numbers in found.values():
        assert len({tuple(numbers.get(topic, ())) for topic in TRADING}) == 1
    loads = sorted(sum(map(len, numbers.values())) for numbers in found.values())
    assert loads == [10, 11]


def test_topics_apart_spread_over_all_members() -> None:
    topics = {f"trace.{n}": 6 for n in range(13)}
    found = assign(topics, {member: set(topics) for member in "abcd"}, set(topics))
    loads = [sum(map(len, numbers.values())) for numbers in found.values()]
    assert max(loads) - min(loads) <= 1


def test_a_member_gets_nothing_that_it_has_not_asked_for() -> None:
    found = assign({"t": 4, "u": 4}, {"a": {"t", "u"}, "b": {"u"}}, set())
    assert found["a"]["t"] == [0, 1, 2, 3]
    assert set(found["b"]) == {"u"}


def test_a_topic_that_is_not_there_is_nobodys() -> None:
    class Cluster:
        def partitions_for_topic(self, topic: str) -> set[int] | None:
            return {"t": {0, 1}}.get(topic)

    assignor = Assignor(set())
    members = {name: assignor.metadata(["t", "not there"]) for name in ("a", "b")}
    found = assignor.assign(Cluster(), members)
    encoded = {name: ConsumerProtocolMemberAssignment.decode(each.encode()) for name, each in found.items()}
    assert {name: each.assignment for name, each in encoded.items()} == {"a": [("t", [0])], "b": [("t", [1])]}
