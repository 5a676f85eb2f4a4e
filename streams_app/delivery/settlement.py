"""What became of changes: `Settled` is the account of it, `Course` what is learnt on the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams_app.changefeed import Change, Version
from streams_app.delivery.ports import DeadLetter, Mark, VersionTable


@dataclass(slots=True)
class Settled:
    """What became of the changes of one route. `marks` are by partition and key."""

    applied: list[Change] = field(default_factory=list)
    stale: list[Change] = field(default_factory=list)
    duplicates: list[Change] = field(default_factory=list)
    held: list[Change] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    marks: dict[int, dict[str, Mark]] = field(default_factory=dict)
    gaps: int = 0

    def mark(self, change: Change, mark: Mark) -> None:
        """Remember `mark` for the change's key."""
        of_partition = self.marks.get(change.partition)
        if of_partition is None:
            of_partition = self.marks[change.partition] = {}
        of_partition[change.key] = mark


class Course:
    """One settlement under way: the version table, and above it what was learnt since."""

    def __init__(self, versions: VersionTable) -> None:
        self._versions = versions
        self._learnt: dict[str, Mark] = {}
        self.heads: dict[str, int] = {}
        self.settled = Settled()
        #: Changes that came to their end, and their identities.
        self.ended: list[Change] = []
        self.ended_ids: set[int] = set()

    def get(self, key: str, partition: int) -> Mark | None:
        """What is known of a key."""
        return self._learnt.get(key) or self._versions.get(key, partition)

    def is_alive(self, change: Change) -> bool:
        """Whether the change's key is known, and nothing of it is set aside."""
        mark = self.get(change.key, change.partition)
        return mark is not None and mark.dead is None

    def reached(self, change: Change, ended: bool) -> None:
        """A change is applied: the key goes on from there; it lives again when all that was set aside is done."""
        assert change.version is not None
        mark = self.get(change.key, change.partition)
        dead = mark.dead if mark is not None and mark.dead is not None and change.version < mark.dead else None
        self.heads[change.key] = max(change.version.major, self.heads.get(change.key, 0))
        self._learn(change, Mark(change.version, dead, ended))

    def end(self, changes: Sequence[Change]) -> None:
        """Changes need nothing more."""
        self.ended += changes
        self.ended_ids.update(id(change) for change in changes)

    def died(self, change: Change) -> None:
        """A change is set aside: the key's later changes go behind it."""
        assert change.version is not None
        mark = self.get(change.key, change.partition)
        highest = mark.dead if mark is not None and mark.dead is not None else change.version
        head = self.heads.get(change.key, mark.version.major if mark is not None else 0)
        self._learn(change, Mark(Version(head), max(highest, change.version, key=lambda v: v.major)))

    def _learn(self, change: Change, mark: Mark) -> None:
        self._learnt[change.key] = mark
        self.settled.mark(change, mark)
        self.end([change])
