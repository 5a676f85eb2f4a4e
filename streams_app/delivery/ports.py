"""What the delivery core needs from outside, and what a system gives it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streams_app.changefeed import Change, RecordLike, Version


class Rejected(ValueError):  # noqa: N818 (the name says what happened to the record)
    """A record that decodes but that its system cannot use. `reason` is a short stable word (a metric label)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Rejection:
    """One change that could not be processed, and why. `stack` is the traceback of a failed rule, else empty."""

    change: Change
    reason: str
    detail: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is set aside: its raw bytes and origin, and why."""

    system: str
    record: RecordLike
    reason: str
    detail: str = ""
    stack: str = ""


class DeadLetterSink(Protocol):
    """Where dead letters go."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Return only when every letter is stored. Raises what may be tried again."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a key: the highest version seen.

    `dead` is the highest version set aside while the key's changes go to the dead letters. `ended`: the key
    reached a terminal state and may be forgotten after a while.
    """

    version: Version
    dead: Version | None = None
    ended: bool = False


class VersionTable(Protocol):
    """What was seen of each key: a cache that may be lost or stale, never a source of truth."""

    def get(self, key: str, partition: int) -> Mark | None:
        """What is remembered of `key`, whose records lie on `partition`."""
        ...

    async def remember(self, partition: int, marks: Mapping[str, Mark]) -> None:
        """Remember keys of one partition; called only after their effects are committed."""
        ...


class ParkingLot(Protocol):
    """Where changes of a route that is down wait, durably and in order, so that the other routes go on."""

    def holds(self, route: str) -> bool:
        """Whether the route is down, or changes of it are still parked: new ones must then queue up behind them."""
        ...

    async def park(self, route: str, records: Sequence[RecordLike]) -> None:
        """Return only when every record is stored. Raises what may be tried again."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of changes. Those that are not named were applied.

    `stale` were there before; `rejected` never can be applied; `refused` met a state that has moved: they are put in
    order again, from what the database says, and come back.
    """

    rejected: Sequence[Rejection] = ()
    refused: Sequence[Change] = ()
    stale: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Versions of a key that have not come: those after `after` and before `before`, numbered without gaps."""

    key: str
    after: int
    before: int
    #: The change that waits for them: its topic and partition are theirs.
    waiting: Change


class History(Protocol):
    """What a system that needs every change of a key, in sequence, knows beside the topic."""

    async def heads(self, route: str, keys: Collection[str]) -> Mapping[str, int]:
        """The seq_num of the last change applied of each key; a key without any is missing.

        Raises what `Handler.process` raises.
        """
        ...

    async def between(self, route: str, gaps: Sequence[Gap]) -> Sequence[RecordLike]:
        """The missing changes as far as the source's log has them, as records that `Handler.decode` can read.

        Their offset is negative, so that they are nobody's place, and each of a key has its own, such as -seq_num.
        Raises what `Handler.process` raises.
        """
        ...


class Handler(Protocol):
    """What a system gives the delivery core."""

    @property
    def system(self) -> str:
        """The system's name, as in metrics."""
        ...

    @property
    def history(self) -> History | None:
        """For a system that needs every change of a key in sequence. None: a change holds all that its forerunners
        said, so the newest is enough."""
        ...

    def decode(self, record: RecordLike) -> Change | None:
        """The change in a record, or None when the record asks for nothing. Raises Undecodable or Rejected."""
        ...

    def route(self, change: Change) -> str:
        """Where the change's effects go: a region. Changes of one route are processed in order, routes side by side."""
        ...

    def ended(self, change: Change) -> bool:
        """Whether the change is the last of its key, so that the key may be forgotten after a while."""
        ...

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Make and commit every effect of `changes`, each guarded by the state that it changes.

        Called again with the same changes after a failure: it must be idempotent. Raises RegionUnavailableError when
        the route is down, FencedError when another worker has the partitions, else only what is permanent.
        """
        ...
