"""Order and dedup per key: which changes of a batch still have to be processed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams_app.changefeed import Change, VersionKind
from streams_app.delivery.ports import VersionTable


@dataclass(slots=True)
class Sequenced:
    """A batch after the version check: what passes, what was seen before, where a version was skipped."""

    passed: list[Change] = field(default_factory=list)
    duplicates: list[Change] = field(default_factory=list)
    gaps: int = 0


def sequence(changes: Sequence[Change], seen: VersionTable) -> Sequenced:
    """Sort a batch by the version check of each key.

    A change without a seq_num passes: only the database can say whether it asks for something. A version at or
    below the highest seen is a duplicate. A version that skips ahead passes and is counted as a gap: these feeds carry
    the whole state of the row, so the newer change holds all that the missing one said.
    """
    result = Sequenced()
    highest: dict[str, int] = {}
    for change in changes:
        version = sequence_number(change)
        if version is None:
            result.passed.append(change)
            continue
        before = highest.get(change.key)
        if before is None:
            mark = seen.get(change.key)
            before = mark.version.major if mark is not None else 0
        if version <= before:
            result.duplicates.append(change)
            continue
        if before and version > before + 1:
            result.gaps += 1
        highest[change.key] = version
        result.passed.append(change)
    return result


def sequence_number(change: Change) -> int | None:
    """The change's seq_num, or None when the feed has none."""
    version = change.version
    return version.major if version is not None and version.kind is VersionKind.SEQ else None
