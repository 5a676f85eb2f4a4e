"""Who gets which partitions: equal numbers of topics with equal partition counts go to one worker together.

Agents count on it: those that read several topics keep the state of a partition number in one place, and what is parked
comes back to the worker that parked it. Round robin, which Faust uses where no standbys are wanted, keeps no numbers
together; topics that nobody needs together are spread one by one, so that the load is even.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

#: Partition numbers by topic.
Numbers = Mapping[str, list[int]]


def assign(
    partitions: Mapping[str, int], subscriptions: Mapping[str, Collection[str]], apart: Collection[str]
) -> dict[str, Numbers]:
    """The partitions of each member of a group. `partitions` counts those of each topic, `subscriptions` names the
    topics of each member, and topics `apart` are nobody's companions."""
    groups: dict[tuple[int, tuple[str, ...], str], list[str]] = defaultdict(list)
    for topic, count in sorted(partitions.items()):
        members = tuple(sorted(member for member, topics in subscriptions.items() if topic in topics))
        if members:
            groups[count, members, topic if topic in apart else ""].append(topic)
    load: Counter[str] = Counter()
    found: dict[str, dict[str, list[int]]] = {member: defaultdict(list) for member in subscriptions}
    # The heavy ones first: the light ones even out what is left.
    for (count, members, _), topics in sorted(groups.items(), key=lambda item: (-len(item[1]), item[1])):
        for number in range(count):
            member = min(members, key=lambda each: (load[each], each))
            load[member] += len(topics)
            for topic in topics:
                found[member][topic].append(number)
    return {member: dict(topics) for member, topics in found.items()}


class Assignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """`assign` as a group protocol. All members of a group must use it."""

    name = "streams"
    version = 0

    def __init__(self, apart: Collection[str]) -> None:
        self._apart = apart

    def assign(
        self, cluster: object, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The assignment of every member."""
        subscriptions = {member: set(metadata.subscription) for member, metadata in members.items()}
        topics = {topic for subscribed in subscriptions.values() for topic in subscribed}
        # A topic that is not there yet is nobody's; the group comes together again when it is.
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}  # type: ignore[attr-defined]
        found = assign(counts, subscriptions, self._apart)
        return {
            member: ConsumerProtocolMemberAssignment(self.version, sorted(numbers.items()), b"")
            for member, numbers in found.items()
        }

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself when it joins."""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), b"")

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is kept."""
