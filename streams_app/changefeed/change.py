"""What a changefeed message says once decoded: plain data, no rules of any one envelope.

A row is handed on as the source wrote it (JSON types); only the key becomes text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, make_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

Row = dict[str, Any]
Headers = Sequence[tuple[str, bytes | None]]

Reason = Literal[
    "bad_key",
    "bad_op",
    "bad_row",
    "bad_version",
    "compressed",
    "duplicate_key",
    "key_mismatch",
    "logical_message",
    "missing_key",
    "not_an_object",
    "not_json",
    "not_utf8",
    "nul_in_text",
    "null_value",
    "oversized",
    "too_deep",
    "truncate",
    "unknown_envelope",
]

_DETAIL_CHARS: Final = 200  # a detail is read in logs and dead-letter listings; the raw bytes are kept elsewhere


class Undecodable(ValueError):  # noqa: N818 (the name says what is wrong with the record)
    """The record cannot become a Change; it belongs among the dead letters.

    `reason` is one of a closed set of slugs (it is a metric label); `detail` is a short sentence for people.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        detail = detail[:_DETAIL_CHARS]
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Op(StrEnum):
    """What happened to the row, as far as the envelope tells."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"  # an insert or an update: the envelope does not say which
    DELETE = "delete"
    READ = "read"  # read by a snapshot, an initial scan or a backfill
    UNKNOWN = "unknown"  # any of them: only the key was sent


class VersionKind(StrEnum):
    """Where a version comes from."""

    SEQ = "seq"  # a sequence column of the row, such as seq_num
    HLC = "hlc"  # CockroachDB's hybrid logical clock: wall nanoseconds and a logical counter
    LSN = "lsn"  # PostgreSQL's log position, as Debezium reports it


@dataclass(frozen=True, slots=True)
class Version:
    """Orders the changes of one key. Equal versions are one change, sent twice.

    `major` and `minor` are the two parts of an HLC; SEQ and LSN have only `major`.
    Versions of different kinds are unequal, and asking which comes first raises TypeError.
    """

    major: int
    minor: int = 0
    kind: VersionKind = VersionKind.SEQ

    def __lt__(self, other: Version) -> bool:
        self._require_kind_of(other)
        return (self.major, self.minor) < (other.major, other.minor)

    def __le__(self, other: Version) -> bool:
        self._require_kind_of(other)
        return (self.major, self.minor) <= (other.major, other.minor)

    def _require_kind_of(self, other: Version) -> None:
        if self.kind is not other.kind:
            raise TypeError(f"a {self.kind} version and a {other.kind} version have no order")


class RecordLike(Protocol):
    """What `decode` reads of a consumed message: aiokafka's ConsumerRecord and `Record` both fit."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def timestamp(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Record:
    """A consumed message: its bytes and where they lay. `timestamp` is in epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """What a feed's messages cannot say of themselves.

    `key_column` is the column whose value keys the feed. `version_column` names a sequence column of the row
    that orders a key's changes; without it, or where a row lacks it, the HLC or the LSN of the message does.
    `max_value_bytes` bounds key and value each; `max_depth` bounds JSON nesting (254 is orjson's own limit).
    """

    key_column: str = "request_id"
    version_column: str | None = None
    max_value_bytes: int = 262_144
    max_depth: int = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row.

    `after` is the row as the change left it (None: deleted, or unknown), `before` the row it replaced, when
    sent; the `before` of a delete is sure only in its key columns. `source_time` is the commit time at the
    source in epoch seconds, `region` the row's home as the message tells it, `key_parts` every key column
    as sent.
    """

    topic: str
    partition: int
    offset: int
    key: str
    version: Version | None
    op: Op
    before: Row | None
    after: Row | None
    headers: tuple[tuple[str, bytes | None], ...]
    source_time: float | None
    table: str | None
    region: str | None
    key_parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """CockroachDB's promise that no unseen row with a lower HLC will come on this partition."""

    topic: str
    partition: int
    offset: int
    version: Version


if TYPE_CHECKING:
    new_change = Change
    new_version = Version
else:

    def _maker(kind: type) -> Callable[..., Any]:
        """Return what makes a frozen dataclass of its values, all given, in the order of its fields.

        A frozen dataclass sets each field through object.__setattr__, which costs five times a plain assignment:
        a twin without the freeze is filled instead, and then made one of its kind.
        """

        def freeze(draft: Any) -> None:
            draft.__class__ = kind

        names = [field.name for field in fields(kind)]
        return make_dataclass(f"_{kind.__name__}Draft", names, slots=True, namespace={"__post_init__": freeze})

    new_change = _maker(Change)
    new_version = _maker(Version)
